import { type IncomingMessage, request } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { ConnectionOptions } from 'node:tls'

export interface AskOptions {
  /** Authority and certificate for `https://`, where they are not those of Node.js: `fetch` takes none. */
  readonly tls?: ConnectionOptions | undefined
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/**
 * Asks a server once, on a connection of its own. Every status is an answer.
 *
 * @throws Error of the connection, or the reason of the signal
 */
export function ask(url: string | URL, options: AskOptions = {}): Promise<IncomingMessage> {
  const { tls, method = 'GET', headers = {}, signal } = options
  const place = new URL(url)
  const isSecure = place.protocol === 'https:'
  const common = { method, headers, agent: false, ...(signal === undefined ? {} : { signal }) } as const
  return new Promise((resolve, reject) => {
    const asked = isSecure ? secureRequest(place, { ...common, ...tls }) : request(place, common)
    // Node.js says of a timeout that it was an abort.
    const fail = (error: Error): void => reject(signal?.aborted === true ? signal.reason : error)
    asked.on('response', resolve).on('error', fail).end()
  })
}

/** The same, with all of the answer's body. */
export async function askText(
  url: string | URL,
  options?: AskOptions,
): Promise<{ readonly status: number; readonly body: string }> {
  const response = await ask(url, options)
  let body = ''
  for await (const text of response.setEncoding('utf8')) body += String(text)
  return { status: response.statusCode ?? 0, body }
}
