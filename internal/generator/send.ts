import type { OutgoingHttpHeader, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export type Headers = Record<string, OutgoingHttpHeader | undefined>

export interface Sent {
  readonly headers: Headers
  readonly pieces: readonly Buffer[]
}

/**
 * A client that takes longer for an answer, ms, is left. It keeps a snapshot in memory, and at one in ten seconds
 * clients that read a byte a minute would keep as many as there are connections.
 */
const MOST_MS = 120_000

/** Sends an answer as fast as its client takes it. Ends well when the client is gone, or too slow. */
export async function send(response: ServerResponse, { headers, pieces }: Sent): Promise<void> {
  response.writeHead(200, headers)
  const signal = AbortSignal.timeout(MOST_MS)
  await pipeline(Readable.from(pieces, { objectMode: false }), response, { signal }).catch(() => {})
}
