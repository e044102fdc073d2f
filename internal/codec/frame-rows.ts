import { MAX_NAME_BYTES, MAX_STRING_BYTES } from '../sample/border.ts'
import type { Shape } from '../sample/shape.ts'
import type { Encoder, MessageHeader } from './codec.ts'
import {
  ALL_PRESENT,
  BLOCK_FIXED_BYTES,
  FIXED_BYTES,
  MAX_FRAME_BYTES,
  MAX_FRAME_SAMPLES,
  NONE_PRESENT,
  SAME_FIELDS,
} from './frame-layout.ts'
import { frameFields } from './frame-names.ts'
import { writeBlockHead, writeHeader, writeInteger } from './frame-writing.ts'

/** Room for the header, whose run id is only known at the end. */
const HEAD_BYTES = FIXED_BYTES + MAX_NAME_BYTES
const TIME_BYTES = 8
/** A number and its presence; the length of a text and its presence take less. */
const CELL_BYTES = 9
/** A frame of 8 MiB would take a server 30 ms, in which it does nothing else. */
const FRAME_BYTES = 2 ** 20
/** The most bytes of all texts of one row. Further texts are left out, so any row fits into an empty frame. */
const MAX_ROW_TEXT_BYTES = MAX_FRAME_BYTES / 2

/**
 * Encodes the rows of a table, each a sample of a series of its own: straight from bytes and numbers, with no object a
 * row. A row has its names, then all of its cells in the order of the fields.
 *
 * Beside it, `FrameEncoder` gathers samples by series. Of a table with 100,000 rows of 31 fields it would keep 3 million
 * arrays of one value each.
 */
export class FrameRowEncoder implements Pick<Encoder, 'count' | 'finish'> {
  count = 0
  #bytes = Buffer.alloc(0)
  #view = new DataView(this.#bytes.buffer)
  #at = HEAD_BYTES
  /** Where the row begins that is being written, and how many values it has. */
  #rowAt = HEAD_BYTES
  #values = 0
  /** Of the row that is being written, and of the one before it in the frame. */
  #rowShape: Shape | undefined
  #shape: Shape | undefined
  /** What the texts of the row may still take. */
  #textRoom = 0

  /**
   * Begins a row.
   *
   * @param names of the series, in the bytes of series-names.ts
   * @param shape has the fields
   * @param at µs since the epoch
   * @param textBytes the most that the texts of the row take
   * @returns false when the frame is full: `finish` it, then begin the row again
   */
  begin(names: Uint8Array, start: number, end: number, shape: Shape, at: number, textBytes = 0): boolean {
    const fields = frameFields(shape)
    const isSame = this.count > 0 && shape === this.#shape
    const namesBytes = end - start + (isSame ? 0 : fields.length)
    this.#textRoom = Math.min(textBytes, MAX_ROW_TEXT_BYTES)
    const most = BLOCK_FIXED_BYTES + namesBytes + TIME_BYTES + shape.width * CELL_BYTES + this.#textRoom
    if (this.count >= MAX_FRAME_SAMPLES || !this.#hasRoom(most)) return false
    this.#rowAt = this.#at
    this.#values = 0
    this.#rowShape = shape
    this.#at = writeBlockHead(this.#bytes, namesBytes, 1, isSame ? SAME_FIELDS : 0, this.#at)
    for (let i = start; i < end; i++) this.#bytes[this.#at++] = names[i]!
    if (!isSame) {
      this.#bytes.set(fields, this.#at)
      this.#at += fields.length
    }
    this.#at = writeInteger(this.#bytes, at, this.#at)
    return true
  }

  none(): void {
    this.#bytes[this.#at++] = NONE_PRESENT
  }

  float(value: number): void {
    this.#present()
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  /** An integer of 64 bits, two's complement, in its two halves. */
  int(low: number, high: number): void {
    this.#present()
    this.#view.setInt32(this.#at, low, true)
    this.#view.setInt32(this.#at + 4, high, true)
    this.#at += 8
  }

  /** UTF-8. A text that is too long for a store is left out, and so is one for which the row has no room. */
  text(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > MAX_STRING_BYTES || length > this.#textRoom) {
      this.none()
      return
    }
    this.#textRoom -= length
    this.#present()
    this.#view.setUint32(this.#at, length, true)
    this.#at += 4
    for (let i = start; i < end; i++) this.#bytes[this.#at++] = bytes[i]!
  }

  /** Ends a row. One without a value is no sample. */
  end(): void {
    if (this.#values > 0) {
      this.count++
      this.#shape = this.#rowShape
    } else this.#at = this.#rowAt
  }

  /** The frame of all rows since the last one, in a Buffer of its own. */
  finish(header: Readonly<MessageHeader>): Buffer {
    const start = HEAD_BYTES - FIXED_BYTES - Buffer.byteLength(header.run)
    if (this.#bytes.length === 0) this.#take(HEAD_BYTES)
    const frame = this.#bytes.subarray(start, this.#at)
    writeHeader(frame, header, this.count, this.count)
    this.#at = HEAD_BYTES
    this.count = 0
    return copied(frame)
  }

  #present(): void {
    this.#values++
    this.#bytes[this.#at++] = ALL_PRESENT
  }

  #hasRoom(bytes: number): boolean {
    if (this.#at + bytes <= this.#bytes.length) return true
    if (this.count > 0) return false
    this.#take(Math.max(FRAME_BYTES, Math.min(HEAD_BYTES + bytes, MAX_FRAME_BYTES)))
    return this.#at + bytes <= this.#bytes.length
  }

  #take(bytes: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(bytes)
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, bytes)
  }
}

/**
 * A Buffer of the right size, which becomes garbage while it is young. What rows are written into has become old by then, and V8
 * frees old garbage late. `Buffer.from` would take a small one from a pool, all of which stays as long as the frame.
 */
function copied(frame: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length)
  frame.copy(copy)
  return copy
}
