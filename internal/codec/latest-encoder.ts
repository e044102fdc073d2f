import { MAX_STRING_BYTES } from '../sample/border.ts'
import type { Series } from '../sample/series.ts'
import { fitsKind } from '../sample/value.ts'
import type { MessageHeader } from './codec.ts'
import {
  ALL_PRESENT,
  BLOCK_FIXED_BYTES,
  FIXED_BYTES,
  MAX_FRAME_BYTES,
  MAX_FRAME_SAMPLES,
  NONE_PRESENT,
} from './frame-layout.ts'
import { frameFields } from './frame-names.ts'
import { writeBlockHead, writeHeader, writeInteger, writeValue } from './frame-writing.ts'

/** The most bytes of all texts of a series. Further ones are left out, so any series fits into an empty frame. */
const MAX_TEXT_BYTES = MAX_FRAME_BYTES / 2
const MIN_BYTES = 64 * 1024
const TIME_BYTES = 8
/** The most that a value takes beside a text: its presence, and its bytes in the column. */
const CELL_BYTES = 9

/**
 * Writes the newest values of series into frames, a row each, straight out of their memory. FrameEncoder gathers rows,
 * and keeps 2 KB for each series to do so.
 */
export class LatestEncoder {
  /** Series added since the last `finish`. */
  count = 0
  readonly #beginAt: number
  #bytes = Buffer.allocUnsafe(MIN_BYTES)
  #at: number

  /** @param run the run id of all headers */
  constructor(run: string) {
    this.#beginAt = FIXED_BYTES + Buffer.byteLength(run)
    this.#at = this.#beginAt
  }

  /** @returns false when the frame is full. A series without a value is taken and ignored. */
  add(series: Series): boolean {
    const fields = frameFields(series.shape)
    const textBytes = textBytesOf(series)
    if (textBytes < 0) return true
    const nameBytes = series.namesBytes + fields.length
    const most = BLOCK_FIXED_BYTES + nameBytes + TIME_BYTES + CELL_BYTES * series.shape.width + textBytes
    if (this.count >= MAX_FRAME_SAMPLES || this.#at + most > MAX_FRAME_BYTES) return false
    if (this.#at + most > this.#bytes.length) this.#grow(this.#at + most)
    const bytes = this.#bytes
    const { memory, namesAt, namesBytes } = series
    let at = writeBlockHead(bytes, nameBytes, 1, 0, this.#at)
    at += memory.bytes.copy(bytes, at, namesAt, namesAt + namesBytes)
    bytes.set(fields, at)
    this.#at = writeCells(bytes, series, writeInteger(bytes, series.latestAt, at + fields.length))
    this.count++
    return true
  }

  /** @returns the frame, in a Buffer of its own */
  finish(header: Readonly<MessageHeader>): Buffer {
    writeHeader(this.#bytes, header, this.count, this.count)
    const frame = Buffer.from(this.#bytes.subarray(0, this.#at))
    this.#at = this.#beginAt
    this.count = 0
    return frame
  }

  #grow(least: number): void {
    const bytes = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, least))
    this.#bytes.copy(bytes, 0, 0, this.#at)
    this.#bytes = bytes
  }
}

function writeCells(bytes: Buffer, series: Series, at: number): number {
  const { fieldKinds } = series
  let end = at
  let textBytes = 0
  for (let i = 0; i < fieldKinds.length; i++) {
    const kind = fieldKinds[i]!
    const value = series.latest(i)
    const length = typeof value === 'string' ? Buffer.byteLength(value) : 0
    if (value === undefined || !fitsKind(value, kind) || !hasRoom(textBytes, length)) {
      bytes[end++] = NONE_PRESENT
      continue
    }
    bytes[end++] = ALL_PRESENT
    if (typeof value === 'string') {
      textBytes += length
      end = bytes.writeUInt32LE(length, end)
      end += bytes.write(value, end, 'utf8')
    } else end = writeValue(bytes, value, kind, end)
  }
  return end
}

/** Bytes of the texts that are written, or -1 where the series has no value at all. */
function textBytesOf(series: Series): number {
  const { fieldKinds } = series
  let bytes = 0
  let hasAny = false
  for (let i = 0; i < fieldKinds.length; i++) {
    const value = series.latest(i)
    if (!fitsKind(value, fieldKinds[i]!)) continue
    const length = typeof value === 'string' ? Buffer.byteLength(value) : 0
    if (!hasRoom(bytes, length)) continue
    bytes += length
    hasAny = true
  }
  return hasAny ? bytes : -1
}

function hasRoom(textBytes: number, length: number): boolean {
  return length <= MAX_STRING_BYTES && textBytes + length <= MAX_TEXT_BYTES
}
