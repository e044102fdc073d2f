import type { LogRecord } from '../spool/segment-log.ts'
import type { OutgoingMessage } from './message.ts'

/** A message as the journal has it, and what its run had withdrawn when the record was written. */
export interface JournalRecord {
  /** Its number in the log. */
  readonly record: number
  readonly runId: string
  readonly seq: number
  readonly firstSample: number
  readonly samples: number
  readonly madeAt: number
  readonly madeAtUptimeUs: number
  readonly withdrawnMessages: number
  readonly withdrawnSamples: number
  /** Empty for an end marker. */
  readonly payload: Buffer
}

/**
 *   u8       version, 1
 *   float64  seq, firstSample, madeAt, madeAtUptimeUs, withdrawnMessages, withdrawnSamples: integers below 2^53
 *   u16      bytes of the run id, then the run id, then the message
 */
const VERSION = 1
const NUMBERS = 6
const ID_BYTES_AT = 1 + NUMBERS * 8
const FIXED_BYTES = ID_BYTES_AT + 2

/** The bytes of a record before those of the message. */
export function encodeRecordHead({ run, seq, firstSample, madeAt, madeAtUptimeUs }: OutgoingMessage): Buffer {
  const { withdrawnMessages, withdrawnSamples } = run.header
  const idBytes = Buffer.byteLength(run.id)
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + idBytes)
  let at = bytes.writeUInt8(VERSION, 0)
  for (const number of [seq, firstSample, madeAt, madeAtUptimeUs, withdrawnMessages, withdrawnSamples]) {
    at = bytes.writeDoubleLE(number, at)
  }
  at = bytes.writeUInt16LE(idBytes, at)
  bytes.write(run.id, at, 'utf8')
  return bytes
}

/** @returns undefined for bytes of another version, or of another program */
export function parseRecord({ number: record, payload: bytes, samples }: LogRecord): JournalRecord | undefined {
  if (bytes.length < FIXED_BYTES || bytes[0] !== VERSION) return undefined
  const numbers = Array.from({ length: NUMBERS }, (_, i) => bytes.readDoubleLE(1 + i * 8))
  const payloadAt = FIXED_BYTES + bytes.readUInt16LE(ID_BYTES_AT)
  if (payloadAt > bytes.length || !numbers.every((number) => Number.isSafeInteger(number) && number >= 0))
    return undefined
  const [seq = 0, firstSample = 0, madeAt = 0, madeAtUptimeUs = 0, withdrawnMessages = 0, withdrawnSamples = 0] =
    numbers
  return {
    ...{ record, seq, firstSample, samples, madeAt, madeAtUptimeUs, withdrawnMessages, withdrawnSamples },
    runId: bytes.toString('utf8', FIXED_BYTES, payloadAt),
    // A copy: a slice would keep the whole buffer of the reader in memory.
    payload: Buffer.from(bytes.subarray(payloadAt)),
  }
}
