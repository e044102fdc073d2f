import type { Kept } from './scripts.ts'

/*
 *   0   u8    bytes of the epoch
 *   1         the epoch, ASCII
 *   ..  f64   its number within the epoch
 *   ..  f64   when it was taken, ms since the epoch of Unix
 *   ..        the payload
 */
const NUMBERS_BYTES = 16

/** A message as a record of the log on disk: what stands before its payload. */
export function headOf({ epoch, number, takenAtMs }: Omit<Kept, 'payload'>): Buffer {
  const head = Buffer.alloc(1 + epoch.length + NUMBERS_BYTES)
  head[0] = epoch.length
  head.write(epoch, 1, 'latin1')
  head.writeDoubleLE(number, 1 + epoch.length)
  head.writeDoubleLE(takenAtMs, 9 + epoch.length)
  return head
}

/** @returns undefined for a record that is none of ours */
export function parseKept(record: Buffer): Kept | undefined {
  const end = 1 + (record[0] ?? 0)
  if (record.length < end + NUMBERS_BYTES) return undefined
  return {
    epoch: record.toString('latin1', 1, end),
    number: record.readDoubleLE(end),
    takenAtMs: record.readDoubleLE(end + 8),
    payload: record.subarray(end + NUMBERS_BYTES),
  }
}
