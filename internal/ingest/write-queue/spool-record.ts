import type { Batch, StoreWriter } from '../../store/store.ts'
import { RunSpans } from './run-spans.ts'

/** A sealed batch, with what its messages need to be accounted for. */
export interface SpoolRecord {
  readonly batch: Batch
  /** `sentAt` of the messages that ended in the batch, µs. */
  readonly sentAt: Float64Array
  readonly spans: RunSpans
}

/** The first byte of a record; a later form gets another. */
const FORM = 1
const HEAD_BYTES = 12

/**
 * A batch as the parts of a record, little-endian: the form; the number of messages (uint32 at 4); the bytes of the
 * spans (uint32 at 8); `sentAt` of each message (float64); the spans of runs as JSON; and the store's own record of the
 * samples. So the latency of a spooled batch is measured to its end, and a sample of it that the store refuses can be
 * traced.
 */
export function writeSpoolRecord({ batch, sentAt, spans }: SpoolRecord): Buffer[] {
  const spansJson = Buffer.from(JSON.stringify(spans))
  const head = Buffer.alloc(HEAD_BYTES + 8 * sentAt.length)
  head[0] = FORM
  head.writeUInt32LE(sentAt.length, 4)
  head.writeUInt32LE(spansJson.length, 8)
  for (let i = 0; i < sentAt.length; i++) head.writeDoubleLE(sentAt[i]!, HEAD_BYTES + 8 * i)
  return [head, spansJson, batch.toRecord()]
}

/** @throws RangeError or SyntaxError when the record was not written by `writeSpoolRecord`, or is cut */
export function readSpoolRecord(record: Buffer, writer: Pick<StoreWriter, 'batchOf'>): SpoolRecord {
  if (record.length < HEAD_BYTES || record[0] !== FORM) throw new RangeError('a record of another version')
  const sentAt = new Float64Array(Math.min(record.readUInt32LE(4), (record.length - HEAD_BYTES) / 8))
  for (let i = 0; i < sentAt.length; i++) sentAt[i] = record.readDoubleLE(HEAD_BYTES + 8 * i)
  const spansAt = HEAD_BYTES + 8 * sentAt.length
  const batchAt = spansAt + record.readUInt32LE(8)
  const spans = RunSpans.parse(record.toString('utf8', spansAt, batchAt))
  return { batch: writer.batchOf(record.subarray(batchAt)), sentAt, spans }
}
