import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Serves a text as metrics, or the one of each question. */
export interface ScrapedServer {
  readonly url: string
  close(): Promise<void>
}

export async function serveMetrics(text: string | (() => string)): Promise<ScrapedServer> {
  const server = createServer((_request, response) => {
    response
      .writeHead(200, { 'content-type': 'text/plain; version=0.0.4' })
      .end(typeof text === 'string' ? text : text())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
