import { MAX_NAME_BYTES } from '../sample/border.ts'
import type { FieldKind } from '../sample/value.ts'
import type { MessageHeader, Standing } from './codec.ts'
import {
  BLOCK_COUNT_AT,
  BLOCK_FIXED_BYTES,
  FIRST_SAMPLE_AT,
  FIXED_BYTES,
  FLAGS_AT,
  HELD_FIRST_SAMPLE_AT,
  HELD_FROM_AT,
  MAGIC,
  MAGIC_AT,
  RUN_ID_BYTES_AT,
  SAMPLE_COUNT_AT,
  SENT_AT_AT,
  SEQ_AT,
  TWO_TO_32,
  VERSION,
  VERSION_AT,
  WITHDRAWN_MESSAGES_AT,
  WITHDRAWN_SAMPLES_AT,
} from './frame-layout.ts'

/** @returns where the blocks begin */
export function writeHeader(bytes: Buffer, header: Readonly<MessageHeader>, samples: number, blocks: number): number {
  const runIdBytes = Buffer.byteLength(header.run)
  if (runIdBytes > MAX_NAME_BYTES) throw new RangeError(`a run id over ${MAX_NAME_BYTES} bytes: ${header.run}`)
  bytes.writeUInt32LE(MAGIC, MAGIC_AT)
  bytes.writeUInt8(VERSION, VERSION_AT)
  bytes.writeUInt8(0, FLAGS_AT)
  bytes.writeUInt16LE(runIdBytes, RUN_ID_BYTES_AT)
  bytes.writeUInt32LE(samples, SAMPLE_COUNT_AT)
  bytes.writeUInt32LE(blocks, BLOCK_COUNT_AT)
  writeInteger(bytes, header.seq, SEQ_AT)
  writeInteger(bytes, header.firstSample, FIRST_SAMPLE_AT)
  writeStanding(bytes, header)
  writeInteger(bytes, header.sentAt, SENT_AT_AT)
  return FIXED_BYTES + bytes.write(header.run, FIXED_BYTES, 'utf8')
}

export function writeStanding(frame: Buffer, standing: Readonly<Standing>): void {
  writeInteger(frame, standing.heldFrom, HELD_FROM_AT)
  writeInteger(frame, standing.heldFirstSample, HELD_FIRST_SAMPLE_AT)
  writeInteger(frame, standing.withdrawnMessages, WITHDRAWN_MESSAGES_AT)
  writeInteger(frame, standing.withdrawnSamples, WITHDRAWN_SAMPLES_AT)
}

/** @returns where the names of the block begin */
export function writeBlockHead(bytes: Buffer, nameBytes: number, rows: number, flags: number, at: number): number {
  bytes.writeUInt32LE(nameBytes, at)
  bytes.writeUInt32LE(rows, at + 4)
  bytes.writeUInt8(flags, at + 8)
  return at + BLOCK_FIXED_BYTES
}

/** Writes an integer that a double holds exactly. @returns the index behind it */
export function writeInteger(bytes: Buffer, value: number, at: number): number {
  const high = Math.floor(value / TWO_TO_32)
  bytes.writeUInt32LE(value - high * TWO_TO_32, at)
  return bytes.writeInt32LE(high, at + 4)
}

/** Writes a value that fits its kind into a column. @returns the index behind it */
export function writeValue(bytes: Buffer, value: number | bigint | boolean, kind: FieldKind, at: number): number {
  if (typeof value === 'boolean') return bytes.writeUInt8(value ? 1 : 0, at)
  if (typeof value === 'bigint') return bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at)
  if (kind === 'float') return bytes.writeDoubleLE(value, at)
  if (Number.isSafeInteger(value)) return writeInteger(bytes, value, at)
  return bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at)
}
