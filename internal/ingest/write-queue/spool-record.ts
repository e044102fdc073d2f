import type { Batch, StoreWriter } from '../../store/store.ts'
import { RunSpans } from './run-spans.ts'

/** A sealed batch, with what its messages need to be accounted for. */
export interface SpoolRecord {
  readonly batch: Batch
  /** `sentAt` of the messages that ended in the batch, µs. */
  readonly sentAt: Float64Array
  readonly sources: RunSpans
}

/** The first byte; a later form gets another. */
const FORM = 1
const HEAD_BYTES = 12

/**
 * A batch as the parts of a record, little-endian: the form, the number of messages (uint32 at 4), the size of what follows them (uint32 at 8);
 * `sentAt` of each message (float64); the runs of sources as JSON; and the store's own record of the samples. So the latency of what was on
 * disk is measured to its end, and what of it is refused can be traced.
 */
export function writeSpoolRecord({ batch, sentAt, sources }: SpoolRecord): Buffer[] {
  const runs = Buffer.from(JSON.stringify(sources))
  const head = Buffer.alloc(HEAD_BYTES + 8 * sentAt.length)
  head[0] = FORM
  head.writeUInt32LE(sentAt.length, 4)
  head.writeUInt32LE(runs.length, 8)
  for (let i = 0; i < sentAt.length; i++) head.writeDoubleLE(sentAt[i]!, HEAD_BYTES + 8 * i)
  return [head, runs, batch.toRecord()]
}

/** @throws RangeError or SyntaxError when it is no such record */
export function readSpoolRecord(record: Buffer, writer: Pick<StoreWriter, 'batchOf'>): SpoolRecord {
  if (record.length < HEAD_BYTES || record[0] !== FORM) throw new RangeError('a record of another version')
  const sentAt = new Float64Array(Math.min(record.readUInt32LE(4), (record.length - HEAD_BYTES) / 8))
  for (let i = 0; i < sentAt.length; i++) sentAt[i] = record.readDoubleLE(HEAD_BYTES + 8 * i)
  const runsAt = HEAD_BYTES + 8 * sentAt.length
  const batchAt = runsAt + record.readUInt32LE(8)
  const sources = RunSpans.parse(record.toString('utf8', runsAt, batchAt))
  return { batch: writer.batchOf(record.subarray(batchAt)), sentAt, sources }
}
