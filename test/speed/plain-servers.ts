import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { type Helper, startHelper } from './processes.ts'
import type { Side } from './side-by-side.ts'

/** The headers that node:http adds by itself. */
const OWN_HEADERS = new Set(['connection', 'content-length', 'date', 'keep-alive'])

/** An answer as its bytes come: not unpacked. */
export interface RawAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export type PlainServer = Side & Pick<Helper, 'stop'>

/** @throws Error for any status but 200 */
export async function rawAnswerOf(url: string, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
  const asked = request(url, { headers }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  const body = await buffer(response)
  if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode} ${body.toString()}`)
  const own = Object.entries(response.headers).filter(([name]) => !OWN_HEADERS.has(name))
  return { headers: Object.fromEntries(own.map(([name, value]) => [name, String(value)])), body }
}

/** A server of node:http that answers everything with the same bytes. */
export async function startBare({ headers, body }: RawAnswer, signal: AbortSignal): Promise<PlainServer> {
  return start('bare-http', [body.toString('base64'), JSON.stringify(headers)], signal)
}

/** A fastify whose one route answers a constant text, under these headers besides its own. */
export async function startFastify({ headers, body }: RawAnswer, signal: AbortSignal): Promise<PlainServer> {
  return start('bare-fastify', [body.toString('base64'), JSON.stringify(headers)], signal)
}

async function start(name: string, args: readonly string[], signal: AbortSignal): Promise<PlainServer> {
  const helper = await startHelper(name, args, signal)
  return { url: `http://127.0.0.1:${helper.line}/`, pid: helper.pid, stop: () => helper.stop() }
}
