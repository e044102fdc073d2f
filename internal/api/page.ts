import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { Api } from './app-types.ts'

/** The page at `/`: static files, asked for again each time (`max-age=0` with an ETag), so a new version shows at once. */
export async function pageRoutes(app: Api, webRoot: string): Promise<void> {
  if (existsSync(join(webRoot, 'index.html'))) {
    await app.register(fastifyStatic, { root: webRoot, index: 'index.html' })
    return
  }
  app.get('/', { schema: { hide: true } }, (_request, reply) => {
    reply.code(404).type('text/plain; charset=utf-8')
    return reply.send(
      'The page is not built. Run "npm run build" and start again. The API answers meanwhile: see /docs\n',
    )
  })
}
