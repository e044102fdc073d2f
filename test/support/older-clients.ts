import { Agent, request } from 'node:http'
import { gunzipSync } from 'node:zlib'

/** What a client of an older system sees of an answer. */
export interface OlderAnswer {
  readonly status: number
  readonly type: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Unpacked, as those clients do by themselves. */
  readonly body: string
}

export type Get = (url: string, headers?: Readonly<Record<string, string>>) => Promise<OlderAnswer>

/** A hundred goroutines. The API refuses more than 1,000 connections. */
const MOST_AT_ONCE = 100

/** Asks as `http.Get` of Go does: no `Accept`, gzip on the way, connections that stay open. */
export function goClient(): Get {
  return clientWith({ 'User-Agent': 'Go-http-client/1.1', 'Accept-Encoding': 'gzip' })
}

/** Asks as `requests.get` of Python does: it takes anything. */
export function pythonClient(): Get {
  return clientWith({
    'User-Agent': 'python-requests/2.32.3',
    'Accept-Encoding': 'gzip, deflate',
    Accept: '*/*',
    Connection: 'keep-alive',
  })
}

function clientWith(usual: Readonly<Record<string, string>>): Get {
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_AT_ONCE })
  return (url, headers = {}) =>
    new Promise((resolve, reject) => {
      const asked = request(url, { agent, headers: { ...usual, ...headers } }, async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk as Buffer)
        const bytes = Buffer.concat(chunks)
        const body = response.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
        const { statusCode = 0, headers: answered } = response
        resolve({ status: statusCode, type: answered['content-type'] ?? '', headers: answered, body: body.toString() })
      })
      asked.on('error', reject)
      asked.end()
    })
}
