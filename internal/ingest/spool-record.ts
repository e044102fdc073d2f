import type { Batch, StoreWriter } from '../store/store.ts'

/** A sealed batch, with what its messages need to be accounted for. */
export interface SpoolRecord {
  readonly batch: Batch
  /** `sentAt` of the messages that ended in the batch, µs. */
  readonly sentAt: Float64Array
}

/** The first byte; a later form gets another. */
const FORM = 1
const HEAD_BYTES = 8

/**
 * A batch as the parts of a record: the form, the number of messages (uint32 at 4), `sentAt` of each (float64; all little-endian), and
 * the store's own record of the samples. The latency of what was on disk is so measured to its end.
 */
export function writeSpoolRecord({ batch, sentAt }: SpoolRecord): Buffer[] {
  const head = Buffer.alloc(HEAD_BYTES + 8 * sentAt.length)
  head[0] = FORM
  head.writeUInt32LE(sentAt.length, 4)
  for (let i = 0; i < sentAt.length; i++) head.writeDoubleLE(sentAt[i]!, HEAD_BYTES + 8 * i)
  return [head, batch.toRecord()]
}

/** @throws RangeError when it is no such record */
export function readSpoolRecord(record: Buffer, writer: Pick<StoreWriter, 'batchOf'>): SpoolRecord {
  if (record.length < HEAD_BYTES || record[0] !== FORM) throw new RangeError('a record of another version')
  const sentAt = new Float64Array(Math.min(record.readUInt32LE(4), (record.length - HEAD_BYTES) / 8))
  for (let i = 0; i < sentAt.length; i++) sentAt[i] = record.readDoubleLE(HEAD_BYTES + 8 * i)
  return { batch: writer.batchOf(record.subarray(HEAD_BYTES + 8 * sentAt.length)), sentAt }
}
