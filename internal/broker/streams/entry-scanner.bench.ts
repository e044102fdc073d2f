import { bench, describe } from 'vitest'
import { counted } from '../../../test/support/counted.ts'
import { bulkOf } from './entry.ts'
import { EntryScanner } from './entry-scanner.ts'
import { Unacked } from './unacked.ts'

/** What one read of a socket gives: 64 KiB. */
const CHUNK_BYTES = 65_536
const ENTRIES = 10_000
const KEY = 'queue:{telemetry:0}'

function readsOf(payload: Buffer): Buffer[] {
  const parts = [Buffer.from('*1\r\n*2\r\n'), bulkOf(KEY), Buffer.from(`*${ENTRIES}\r\n`)]
  for (let i = 0; i < ENTRIES; i++) {
    parts.push(
      Buffer.from('*2\r\n'),
      bulkOf(`1764462000000-${i}`),
      Buffer.from(`*2\r\n$1\r\nd\r\n$${payload.length}\r\n`),
    )
    parts.push(payload, Buffer.from('\r\n'))
  }
  const bytes = Buffer.concat(parts)
  const chunks = Math.ceil(bytes.length / CHUNK_BYTES)
  return Array.from({ length: chunks }, (_, i) => bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES))
}

describe('entries of streams in chunks of 64 KiB, found, handed over, and acked', () => {
  for (const bytes of [32, 110, 4096]) {
    const chunks = readsOf(Buffer.alloc(bytes, 'z'))
    bench(
      `payloads of ${bytes} bytes`,
      counted(ENTRIES, 'entry', () => {
        let found = 0
        const unacked = new Unacked(1)
        const scanner = new EntryScanner(
          [KEY],
          {
            begins: () => {},
            entry: (partition, reply, idAt, idEnd) => {
              unacked.push(partition, reply, idAt, idEnd)
              found++
              if (found % 500 !== 0) return
              unacked.ackUpTo(found)
              unacked.acked(0, unacked.peekAcking(0, 500).length > 0 ? 500 : 0)
            },
            ended: () => {},
          },
          () => {},
        )
        for (const chunk of chunks) scanner.push(chunk)
        return found
      }),
    )
  }
})
