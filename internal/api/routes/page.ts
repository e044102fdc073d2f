import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { App } from '../../http/app-types.ts'

const YEAR_S = 31_536_000

/**
 * The page at `/`: static files. Browsers ask for the page each time (`max-age=0` with an ETag), so a new version shows
 * at once. They keep its assets for a year, because these have a hash in their names.
 */
export async function addPage(app: App, webRoot: string): Promise<void> {
  if (existsSync(join(webRoot, 'index.html'))) {
    const assets = join(webRoot, 'assets')
    await app.register(fastifyStatic, {
      root: webRoot,
      index: 'index.html',
      cacheControl: false,
      setHeaders: (reply, path) => {
        const kept = path.startsWith(assets) ? `public, max-age=${YEAR_S}, immutable` : 'public, max-age=0'
        reply.setHeader('cache-control', kept)
      },
    })
    return
  }
  app.get('/', { schema: { hide: true } }, (_request, reply) => {
    reply.code(404).type('text/plain; charset=utf-8')
    return reply.send(
      'The page is not built. Run "npm run build" and start again. The API answers meanwhile: see /docs\n',
    )
  })
}
