import { bench, describe } from 'vitest'
import { counted } from '../../../test/support/counted.ts'
import { PushScanner } from './push-scanner.ts'

/** What one read of a socket gives: 64 KiB. */
const CHUNK_BYTES = 65_536
const CHUNKS = 16
const LETTER_Z = 0x5a

/** A MiB of messages, and how many of them are whole. */
function readsOf(payload: Buffer): { chunks: Buffer[]; messages: number } {
  const head = Buffer.from(`*3\r\n$7\r\nmessage\r\n$7\r\nmetrics\r\n$${payload.length}\r\n`)
  const message = Buffer.concat([head, payload, Buffer.from('\r\n')])
  const bytes = Buffer.alloc(CHUNKS * CHUNK_BYTES, message)
  const chunks = Array.from({ length: CHUNKS }, (_, i) => bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES))
  return { chunks, messages: Math.floor(bytes.length / message.length) }
}

describe('messages of Pub/Sub in chunks of 64 KiB, found and handed over', () => {
  for (const bytes of [32, 110, 4096]) {
    const { chunks, messages } = readsOf(Buffer.alloc(bytes, LETTER_Z))
    bench(
      `payloads of ${bytes} bytes`,
      counted(messages, 'message', () => {
        let found = 0
        const scanner = new PushScanner(
          (payload) => {
            if (payload[0] === LETTER_Z) found++
          },
          () => {},
        )
        for (const chunk of chunks) scanner.push(chunk)
        return found
      }),
    )
  }
})
