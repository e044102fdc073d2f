import { isUtf8 } from 'node:buffer'

export interface Message {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly payload: Buffer
  /** When it was taken, ms since the epoch. */
  readonly createdAtMs: number
}

/** Keeps proxies from closing a quiet connection. */
export const HEARTBEAT = ': heartbeat\n\n'
/** A client comes back a second after its connection broke. */
export const GREETING = 'retry: 1000\n\n'

/** The message as an event of a stream. JSON has no line breaks, so its data is one line. */
export function messageEvent({ id, topic, partition, payload, createdAtMs }: Message): string {
  const isText = isUtf8(payload)
  const data = JSON.stringify({
    id,
    payload: payload.toString(isText ? 'utf8' : 'base64'),
    ...(isText ? {} : { encoding: 'base64' }),
    created_at: new Date(createdAtMs).toISOString(),
    topic,
    partition,
  })
  return `id: ${id}\ndata: ${data}\n\n`
}
