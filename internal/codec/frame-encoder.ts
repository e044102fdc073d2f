import { MAX_NAME_BYTES, MAX_STRING_BYTES } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { Series } from '../sample/series.ts'
import { type FieldKind, fitsKind, hasValue, type Slot } from '../sample/value.ts'
import type { Encoder, MessageHeader, Standing } from './codec.ts'
import {
  ALL_PRESENT,
  BLOCK_FIXED_BYTES,
  FIXED_BYTES,
  HAS_TIES,
  MAX_FRAME_BYTES,
  MAX_FRAME_SAMPLES,
  NONE_PRESENT,
  SOME_PRESENT,
  VALUE_BYTES,
} from './frame-layout.ts'
import { frameFields } from './frame-names.ts'
import { writeBlockHead, writeHeader, writeInteger, writeStanding, writeValue } from './frame-writing.ts'

/**
 * The most bytes of all strings of one sample. Further strings are left out, so any sample fits into an empty frame.
 */
const MAX_SAMPLE_STRING_BYTES = MAX_FRAME_BYTES / 2
/**
 * The most that a row takes beside its values (time, tie), and that a value takes (its bytes, its share of the presence
 * bits).
 */
const ROW_BYTES = 10
const CELL_BYTES = 9
/** Series whose blocks are kept from frame to frame. Above the lower bound, those that their table gave up are looked for. */
const [MIN_SWEPT_BLOCKS, MAX_KEPT_BLOCKS] = [256, 65_536]

/** The samples of one series, in their order. */
interface Block {
  readonly series: Series
  names: Buffer
  readonly at: number[]
  readonly ties: number[]
  hasTies: boolean
  readonly columns: Column[]
}

/**
 * A field's values, one a row. A missing float is NaN, so that V8 stores the array as doubles. Any other missing value
 * is undefined.
 */
interface Column {
  readonly kind: FieldKind
  readonly cells: Slot[]
  present: number
}

/**
 * Gathers samples by series. Within a series their order stays.
 *
 * This file is long because the encoder decides, when it adds a sample, how many bytes `FrameWriter` will write for it.
 * The two read best side by side.
 */
export class FrameEncoder implements Encoder {
  count = 0
  readonly #blocks = new Map<Series, Block>()
  /** Those with rows, in the order of their first samples. */
  #used: Block[] = []
  /** An upper bound of the frame's size. */
  #bytes = FIXED_BYTES + MAX_NAME_BYTES
  #sweptAt = MIN_SWEPT_BLOCKS

  add(sample: Sample): boolean {
    const { series } = sample
    const textBytes = stringBytes(sample)
    if (textBytes < 0) return true
    const block = this.#blockOf(series)
    const fieldCount = series.fieldKinds.length
    const newFields = fieldCount - block.columns.length
    const rows = block.at.length
    const names = newFields > 0 ? encodeNames(series) : block.names
    const blockBytes =
      rows === 0
        ? BLOCK_FIXED_BYTES + names.length + fieldCount
        : names.length - block.names.length + newFields * (1 + CELL_BYTES * rows)
    const bytes = blockBytes + ROW_BYTES + CELL_BYTES * fieldCount + textBytes
    if (this.count >= MAX_FRAME_SAMPLES || this.#bytes + bytes > MAX_FRAME_BYTES) return false
    this.#bytes += bytes
    this.count++
    if (rows === 0) this.#used.push(block)
    if (newFields > 0) widen(block, names)
    append(block, sample)
    return true
  }

  finish(header: Readonly<MessageHeader>): Buffer {
    const frame = new FrameWriter(Buffer.allocUnsafe(this.#bytes))
    frame.header(header, this.count, this.#used.length)
    for (const block of this.#used) {
      frame.block(block)
      clear(block)
    }
    this.#used = []
    this.#bytes = FIXED_BYTES + MAX_NAME_BYTES
    this.count = 0
    if (this.#blocks.size > this.#sweptAt) this.#sweep()
    return frame.done()
  }

  #sweep(): void {
    for (const series of this.#blocks.keys()) if (series.evicted) this.#blocks.delete(series)
    if (this.#blocks.size > MAX_KEPT_BLOCKS) this.#blocks.clear()
    this.#sweptAt = Math.max(MIN_SWEPT_BLOCKS, 2 * this.#blocks.size)
  }

  #blockOf(series: Series): Block {
    let block = this.#blocks.get(series)
    if (block === undefined) {
      block = { series, names: Buffer.alloc(0), at: [], ties: [], hasTies: false, columns: [] }
      this.#blocks.set(series, block)
    }
    return block
  }
}

/** Gives a block a column for each new field of its series, without values for the rows so far. */
function widen(block: Block, names: Buffer): void {
  block.names = names
  for (const kind of block.series.fieldKinds.slice(block.columns.length)) {
    const cells = Array.from(block.at, () => absent(kind))
    block.columns.push({ kind, cells, present: 0 })
  }
}

function append(block: Block, { values, at, tie }: Sample): void {
  block.at.push(at)
  block.ties.push(tie)
  if (tie !== 0) block.hasTies = true
  let textBytes = 0
  for (let i = 0; i < block.columns.length; i++) {
    const column = block.columns[i]!
    let value = values[i]
    if (typeof value === 'string') {
      const bytes = Buffer.byteLength(value)
      if (bytes > MAX_STRING_BYTES || textBytes + bytes > MAX_SAMPLE_STRING_BYTES) value = undefined
      else textBytes += bytes
    }
    if (fitsKind(value, column.kind)) {
      column.cells.push(value)
      column.present++
    } else column.cells.push(absent(column.kind))
  }
}

function clear(block: Block): void {
  block.at.length = 0
  block.ties.length = 0
  block.hasTies = false
  for (const column of block.columns) {
    column.cells.length = 0
    column.present = 0
  }
}

/** The most bytes by which a sample makes a frame longer. */
export function mostFrameBytes(sample: Sample): number {
  const { namesBytes, shape } = sample.series
  const fieldBytes = frameFields(shape).length + shape.width * (1 + CELL_BYTES)
  return BLOCK_FIXED_BYTES + namesBytes + fieldBytes + ROW_BYTES + Math.max(0, stringBytes(sample))
}

/** Bytes of a sample's strings, or -1 when it has no value at all. */
function stringBytes({ series, values }: Sample): number {
  let bytes = 0
  let hasAny = false
  const count = Math.min(values.length, series.fieldKinds.length)
  for (let i = 0; i < count; i++) {
    const value = values[i]
    if (!fitsKind(value, series.fieldKinds[i]!)) continue
    if (typeof value === 'string') {
      const length = Buffer.byteLength(value)
      if (length > MAX_STRING_BYTES || bytes + length > MAX_SAMPLE_STRING_BYTES) continue
      bytes += length
    }
    hasAny = true
  }
  return hasAny ? bytes : -1
}

function absent(kind: FieldKind): Slot {
  return kind === 'float' ? Number.NaN : undefined
}

/**
 * The names of a block. They are the same bytes in every frame until the series gets another field: receivers look them
 * up.
 */
function encodeNames({ memory, namesAt, namesBytes, shape }: Series): Buffer {
  return Buffer.concat([memory.bytes.subarray(namesAt, namesAt + namesBytes), frameFields(shape)])
}

/** A copy of a frame with another standing. */
export function restampFrame(frame: Buffer, standing: Readonly<Standing>): Buffer {
  const copy = Buffer.from(frame)
  writeStanding(copy, standing)
  return copy
}

/** Writes a frame from left to right. The Buffer must be large enough. */
class FrameWriter {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  header(header: Readonly<MessageHeader>, samples: number, blocks: number): void {
    this.#at = writeHeader(this.#bytes, header, samples, blocks)
  }

  block({ names, at, ties, hasTies, columns }: Block): void {
    const bytes = this.#bytes
    this.#at = writeBlockHead(bytes, names.length, at.length, hasTies ? HAS_TIES : 0, this.#at)
    this.#at += names.copy(bytes, this.#at)
    for (let row = 0; row < at.length; row++) this.#at = writeInteger(bytes, at[row]!, this.#at)
    if (hasTies) for (let row = 0; row < ties.length; row++) this.#at = bytes.writeUInt16LE(ties[row]!, this.#at)
    for (const column of columns) this.#column(column)
  }

  #column({ kind, cells, present }: Column): void {
    if (present === 0) {
      this.#at = this.#bytes.writeUInt8(NONE_PRESENT, this.#at)
      return
    }
    this.#at = this.#bytes.writeUInt8(present === cells.length ? ALL_PRESENT : SOME_PRESENT, this.#at)
    if (present < cells.length) this.#presence(cells)
    let textAt = this.#at + present * VALUE_BYTES[kind]
    for (let row = 0; row < cells.length; row++) {
      const value = cells[row]
      if (!hasValue(value)) continue
      if (typeof value === 'string') {
        const length = this.#bytes.write(value, textAt, 'utf8')
        this.#at = this.#bytes.writeUInt32LE(length, this.#at)
        textAt += length
      } else this.#at = writeValue(this.#bytes, value, kind, this.#at)
    }
    this.#at = textAt
  }

  /** A bit a row; the first row is the lowest bit of the first byte. */
  #presence(cells: readonly Slot[]): void {
    const end = this.#at + Math.ceil(cells.length / 8)
    this.#bytes.fill(0, this.#at, end)
    for (let row = 0; row < cells.length; row++) {
      if (hasValue(cells[row])) this.#bytes[this.#at + (row >> 3)]! |= 1 << (row & 7)
    }
    this.#at = end
  }
}
