import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { App } from '../../http/app-types.ts'

const ASSETS = '/assets/'
/** For a year. */
const KEPT = 'public, max-age=31536000, immutable'
const ASKED_EACH_TIME = 'public, max-age=0'

/**
 * The page at `/`: static files. Browsers ask for the page each time (`max-age=0` with an ETag), so a new version shows
 * at once. They keep its assets for a year, because these have a hash in their names.
 */
export async function addPage(app: App, webRoot: string): Promise<void> {
  if (existsSync(join(webRoot, 'index.html'))) {
    await app.register(async (page: App) => {
      page.addHook('onSend', async ({ url }, reply) => {
        if (reply.statusCode < 400) reply.header('cache-control', url.startsWith(ASSETS) ? KEPT : ASKED_EACH_TIME)
      })
      await page.register(fastifyStatic, { root: webRoot, index: 'index.html', cacheControl: false })
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
