import { crc32 } from 'node:zlib'

/*
 * A log on disk: a folder of segment files and a cursor (cursor.ts). All numbers are little-endian.
 *
 *   segment file   <number of the first record>-<samples before it>-<salt>.seg: 16 and 16 decimal digits, 8
 *                  hexadecimal ones
 *
 *   0   8   SNTLSEG1
 *   8       records, one after the other:
 *           0   u32   marker 0x9ec05ea1
 *           4   u32   CRC-32 of the 28 bytes that follow, begun with the salt
 *           8   u32   CRC-32 of the payload, begun with the salt
 *           12  u32   bytes of payload
 *           16  u32   samples in it
 *           20  u64   number of the record, from 0, ever rising
 *           28  u64   samples in all records before it
 *           36        payload
 *
 * The place and the salt of the segment are in the file's name, which damage to the file does not reach. Each record
 * carries its place in the log, so the records and samples lost between two intact records are known exactly. After
 * damage the marker finds the next record. The salt is random for each file: a payload may hold bytes that look like a
 * record (a dead letter may hold anything), and the checksums of such bytes do not fit.
 */

export const SEGMENT_HEADER = Buffer.from('SNTLSEG1', 'latin1')
export const RECORD_HEADER_BYTES = 36

const MARKER = 0x9ec0_5ea1
const MARKER_BYTES = Buffer.from([0xa1, 0x5e, 0xc0, 0x9e])
const TWO_32 = 2 ** 32

/** A place between two records: the number of the record to come, and the samples in all before it. */
export interface Place {
  readonly number: number
  readonly samples: number
}

/** What the name of a segment file says. */
export interface SegmentName {
  readonly first: Place
  readonly salt: number
}

export interface RecordHeader extends Place {
  /** Of this record alone. */
  readonly sampleCount: number
  readonly payloadBytes: number
  readonly payloadCrc: number
}

const NAME = /^(\d{16})-(\d{16})-([0-9a-f]{8})\.seg$/

/** Names a new segment. */
export function segmentName(first: Place): SegmentName {
  return { first, salt: Math.floor(Math.random() * 2 ** 32) }
}

export function segmentFile({ first, salt }: SegmentName): string {
  const digits = (value: number): string => String(value).padStart(16, '0')
  return `${digits(first.number)}-${digits(first.samples)}-${salt.toString(16).padStart(8, '0')}.seg`
}

/** @returns undefined for a file that is not a segment */
export function parseSegmentFile(file: string): SegmentName | undefined {
  const [, number, samples, salt] = NAME.exec(file) ?? []
  const first = { number: Number(number), samples: Number(samples) }
  if (!Number.isSafeInteger(first.number) || !Number.isSafeInteger(first.samples)) return undefined
  return { first, salt: Number.parseInt(salt!, 16) }
}

/** Writes the header of a record whose payload is the parts, one after the other. */
export function writeRecordHeader(
  bytes: Buffer,
  at: number,
  { number, samples }: Place,
  sampleCount: number,
  parts: readonly Buffer[],
  salt: number,
): void {
  let payloadBytes = 0
  let payloadCrc = salt
  for (const part of parts) {
    payloadBytes += part.length
    payloadCrc = checksum(part, payloadCrc)
  }
  bytes.writeUInt32LE(MARKER, at)
  bytes.writeUInt32LE(payloadCrc, at + 8)
  bytes.writeUInt32LE(payloadBytes, at + 12)
  bytes.writeUInt32LE(sampleCount, at + 16)
  writeUInt64(bytes, number, at + 20)
  writeUInt64(bytes, samples, at + 28)
  bytes.writeUInt32LE(checksum(bytes.subarray(at + 8, at + RECORD_HEADER_BYTES), salt), at + 4)
}

/** @returns undefined if there is no intact header; at least RECORD_HEADER_BYTES must follow `at` */
export function readRecordHeader(bytes: Buffer, at: number, salt: number): RecordHeader | undefined {
  if (bytes.readUInt32LE(at) !== MARKER) return undefined
  if (checksum(bytes.subarray(at + 8, at + RECORD_HEADER_BYTES), salt) !== bytes.readUInt32LE(at + 4)) return undefined
  return {
    payloadCrc: bytes.readUInt32LE(at + 8),
    payloadBytes: bytes.readUInt32LE(at + 12),
    sampleCount: bytes.readUInt32LE(at + 16),
    number: readUInt64(bytes, at + 20),
    samples: readUInt64(bytes, at + 28),
  }
}

/** Where a header may begin next, from `at` on, in part too; `bytes.length` when there is none. */
export function findMarker(bytes: Buffer, at: number): number {
  const found = bytes.indexOf(MARKER_BYTES, at)
  if (found !== -1) return found
  for (let tail = Math.max(at, bytes.length - 3); tail < bytes.length; tail++) {
    if (MARKER_BYTES.subarray(0, bytes.length - tail).equals(bytes.subarray(tail))) return tail
  }
  return bytes.length
}

export function isIntact(payload: Buffer, header: RecordHeader, salt: number): boolean {
  return checksum(payload, salt) === header.payloadCrc
}

/**
 * CRC-32 that begins with a number. Of no bytes it is that number; zlib returns 0 for an empty Buffer without memory.
 */
function checksum(bytes: Buffer, begin: number): number {
  return bytes.length === 0 ? begin : crc32(bytes, begin)
}

/** @param value an integer from 0 to 2^53 */
export function writeUInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % TWO_32, at)
  bytes.writeUInt32LE(Math.floor(value / TWO_32), at + 4)
}

/** Beyond 2^53 the nearest double. */
export function readUInt64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * TWO_32 + bytes.readUInt32LE(at)
}
