import { isUtf8 } from 'node:buffer'
import { isRefusal, MAX_NAME_BYTES, MAX_STRING_BYTES, type Refusal, type RejectReason } from '../sample/border.ts'
import { viewOf } from '../sample/same-bytes.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { Series, SeriesTable } from '../sample/series.ts'
import { SeriesFinder } from '../sample/series-finder.ts'
import type { Column, ColumnList } from '../sample/shape.ts'
import { integerFitsKind, type Slot } from '../sample/value.ts'
import { ByteCache } from '../sample/byte-cache.ts'
import {
  type Arrival,
  blankHeader,
  type Decoder,
  type MessageHeader,
  type RefusedSample,
  resetHeader,
} from './codec.ts'
import {
  ALL_PRESENT,
  BLOCK_COUNT_AT,
  BLOCK_FIXED_BYTES,
  FIRST_SAMPLE_AT,
  FIXED_BYTES,
  FLAGS_AT,
  HAS_TIES,
  HELD_FIRST_SAMPLE_AT,
  HELD_FROM_AT,
  MAGIC,
  MAGIC_AT,
  MAX_FRAME_BYTES,
  MAX_FRAME_SAMPLES,
  NONE_PRESENT,
  RUN_ID_BYTES_AT,
  SAME_FIELDS,
  SAMPLE_COUNT_AT,
  SENT_AT_AT,
  SEQ_AT,
  SOME_PRESENT,
  TWO_TO_32,
  VALUE_BYTES,
  VERSION,
  VERSION_AT,
  WITHDRAWN_MESSAGES_AT,
  WITHDRAWN_SAMPLES_AT,
} from './frame-layout.ts'
import { type BlockNames, knownColumns, readNames } from './frame-names.ts'
import { fittingValues, type UnfitBlock, unfitBlock } from './unfit-block.ts'

/** The high half of an int64 that a double holds exactly is within ± this. */
const EXACT_HIGH = 2 ** 21

/**
 * The most cursors that are kept for the next frame. A frame of 8 MiB can have a million columns, and needs one for
 * each.
 */
const MAX_KEPT_CURSORS = 65_536

/** A checked block: where its parts begin. The object is reused for the next frame. */
interface Block {
  series: Series
  list: ColumnList
  rows: number
  timesAt: number
  /** -1 where all ties are 0. */
  tiesAt: number
  /** The index of its first column in `#cursors`. */
  firstColumn: number
  /** Where the first column of a plain block begins: it needs no cursors. -1 in others. */
  plainAt: number
}

/** Where the next value of a column is. It moves on from row to row. */
interface Cursor {
  presence: number
  bitsAt: number
  valueAt: number
  textAt: number
}

/**
 * Reads a frame twice: first to check every byte, so that a bad frame gives no sample, then to emit the samples. What a
 * frame claims is compared with its length before anything is allocated for it. Rows that are read well, but do not fit the
 * table, cost themselves alone.
 *
 * This file is long because the check and the emission share their cursors, and V8 keeps these fields fast as long as
 * they belong to one object. Split into two classes, each value would be read through one more object.
 */
export class FrameDecoder implements Decoder {
  readonly header: MessageHeader
  cleaned = 0
  /** Of the frame that was read last. */
  readonly refusedParts: RefusedSample[] = []
  /** Blocks of the frame that are emitted row by row, in their order. Nearly every frame has none. */
  readonly #unfit: UnfitBlock[] = []
  readonly #table: SeriesTable
  readonly #finder: SeriesFinder
  /** Names that are not sorted or not clean. The table finds all others by their bytes. */
  readonly #otherNames = new ByteCache<BlockNames>()
  readonly #knownRunIds = new ByteCache<string>()
  #blocks: Block[] = []
  #cursors: Cursor[] = []
  #sample: Sample | undefined
  #found: BlockNames | undefined
  /** The state of the frame that is being read. */
  #payload: Buffer = Buffer.alloc(0)
  /** For the numbers of every sample: V8 makes one load of it, where `readDoubleLE` and its like took 8 % of the pipeline. */
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #blockCount = 0
  #cursorCount = 0

  constructor(table: SeriesTable, header = blankHeader()) {
    this.#table = table
    this.#finder = new SeriesFinder(table)
    this.header = header
  }

  decode(payload: Buffer, arrival: Readonly<Arrival>, emit: SampleSink): Refusal | undefined {
    resetHeader(this.header)
    this.#payload = payload
    this.#view = viewOf(payload)
    this.#blockCount = 0
    this.#cursorCount = 0
    if (this.#unfit.length > 0) this.#unfit.length = this.refusedParts.length = 0
    const refusal = this.#checkHeader() ?? this.#checkBlocks(arrival.receivedAt)
    if (refusal === undefined) {
      if (this.#unfit.length > 0) this.#emitAround(emit)
      else for (let i = 0; i < this.#blockCount; i++) this.#emitBlock(this.#blocks[i]!, emit)
    }
    if (this.#cursors.length > MAX_KEPT_CURSORS) this.#cursors.length = MAX_KEPT_CURSORS
    return refusal
  }

  #checkHeader(): Refusal | undefined {
    const { header } = this
    const payload = this.#payload
    if (payload.length > MAX_FRAME_BYTES) {
      return { reason: 'too_large', detail: `a frame of ${payload.length} bytes, at most ${MAX_FRAME_BYTES}` }
    }
    if (payload.length >= 4 && payload.readUInt32LE(MAGIC_AT) !== MAGIC) return malformed('no frame: another magic')
    if (payload.length > VERSION_AT && payload[VERSION_AT] !== VERSION) {
      return { reason: 'frame_version', detail: `frame version ${payload[VERSION_AT]}, this program knows ${VERSION}` }
    }
    if (payload.length < FIXED_BYTES) return this.#truncated('its header')
    if (payload[FLAGS_AT] !== 0) return malformed(`unknown flags ${payload[FLAGS_AT]}`)
    const sampleCount = payload.readUInt32LE(SAMPLE_COUNT_AT)
    if (sampleCount > MAX_FRAME_SAMPLES) {
      return { reason: 'too_large', detail: `a frame of ${sampleCount} samples, at most ${MAX_FRAME_SAMPLES}` }
    }
    const runIdBytes = payload.readUInt16LE(RUN_ID_BYTES_AT)
    if (runIdBytes > MAX_NAME_BYTES) return malformed(`a run id of ${runIdBytes} bytes, at most ${MAX_NAME_BYTES}`)
    this.#at = FIXED_BYTES + runIdBytes
    if (this.#at > payload.length) return this.#truncated('the run id')
    const runId = this.#runIdAt(FIXED_BYTES, this.#at)
    if (runId === undefined) return malformed('a run id that is not UTF-8')
    const seq = this.#exactInteger(SEQ_AT)
    const firstSample = this.#exactInteger(FIRST_SAMPLE_AT)
    const heldFrom = this.#exactInteger(HELD_FROM_AT)
    const heldFirstSample = this.#exactInteger(HELD_FIRST_SAMPLE_AT)
    const withdrawnMessages = this.#exactInteger(WITHDRAWN_MESSAGES_AT)
    const withdrawnSamples = this.#exactInteger(WITHDRAWN_SAMPLES_AT)
    const sentAt = this.#exactInteger(SENT_AT_AT)
    // NaN, where one is beyond 2^53, fails every comparison.
    const inRange = seq >= -1 && firstSample >= 0 && heldFrom >= 0 && heldFirstSample >= 0 && sentAt >= 0
    if (!(inRange && withdrawnMessages >= 0 && withdrawnSamples >= 0)) {
      return malformed('a count beyond 2^53, or below 0')
    }
    header.run = runId
    header.seq = runId === '' ? -1 : seq
    header.firstSample = firstSample
    header.heldFrom = heldFrom
    header.heldFirstSample = heldFirstSample
    header.withdrawnMessages = withdrawnMessages
    header.withdrawnSamples = withdrawnSamples
    header.sentAt = sentAt
    header.sampleCount = sampleCount
    return undefined
  }

  #checkBlocks(nowUs: number): Refusal | undefined {
    const count = this.#payload.readUInt32LE(BLOCK_COUNT_AT)
    let samples = 0
    for (let i = 0; i < count; i++) {
      const refusal = this.#checkBlock(this.header.sampleCount - samples, nowUs)
      if (refusal !== undefined) return refusal
      samples += this.#blocks[i]!.rows
    }
    if (samples !== this.header.sampleCount) return malformed(`${samples} samples, ${this.header.sampleCount} claimed`)
    const left = this.#payload.length - this.#at
    return left === 0 ? undefined : malformed(`${left} bytes behind its end`)
  }

  /** @param maxRows how many of the claimed samples are left for this block and those behind it */
  #checkBlock(maxRows: number, nowUs: number): Refusal | undefined {
    const payload = this.#payload
    const view = this.#view
    const start = this.#at
    if (start + BLOCK_FIXED_BYTES > payload.length) return this.#truncated(`block ${this.#blockCount}`)
    const nameBytes = view.getUint32(start, true)
    const rows = view.getUint32(start + 4, true)
    const flags = payload[start + 8]!
    const namesAt = start + BLOCK_FIXED_BYTES
    const timesAt = namesAt + nameBytes
    const timesEnd = timesAt + rows * 8
    if (rows === 0 || rows > maxRows) return malformed(`a block of ${rows} samples where 1 to ${maxRows} are left`)
    if ((flags & ~(HAS_TIES | SAME_FIELDS)) !== 0) return malformed(`unknown block flags ${flags}`)
    if (timesEnd > payload.length) return this.#truncated(`block ${this.#blockCount}`)
    const hasFields = (flags & SAME_FIELDS) === 0
    const names = hasFields ? this.#namesAt(namesAt, timesAt, nowUs) : this.#namesWithFields(namesAt, timesAt, nowUs)
    // Not by a function that has seen objects of many shapes: that took a tenth of a block with one row.
    if ('reason' in names) return names
    for (let at = timesAt; at < timesEnd; at += 8) {
      const high = view.getInt32(at + 4, true)
      if (high < -EXACT_HIGH || high >= EXACT_HIGH) return malformed('a time beyond 2^53 µs')
    }
    this.#at = timesEnd
    const hasTies = (flags & HAS_TIES) !== 0
    if (hasTies) {
      this.#at += rows * 2
      if (this.#at > payload.length) return this.#truncated('a column of ties')
      for (let at = timesEnd; at < this.#at; at += 2)
        if (view.getUint16(at, true) > 999) return malformed('a tie over 999')
    }
    const block = this.#nextBlock(names)
    block.rows = rows
    block.timesAt = timesAt
    block.tiesAt = hasTies ? timesEnd : -1
    block.firstColumn = this.#cursorCount
    block.plainAt = this.#plainAt(block.list, rows)
    if (block.plainAt >= 0) return undefined
    return this.#checkColumns(block, namesAt, nowUs)
  }

  /** Of columns that are not plain. @param namesAt where the names of the block begin; its times are behind them */
  #checkColumns(block: Block, namesAt: number, nowUs: number): Refusal | undefined {
    let misfit: Refusal | undefined
    for (const column of block.list.columns) {
      const refusal = this.#checkColumn(column, block.rows)
      if (refusal !== undefined && refusal.reason !== 'field_type') return refusal
      misfit ??= refusal
    }
    if (misfit === undefined) return undefined
    const hasFields = (this.#payload[namesAt - 1]! & SAME_FIELDS) === 0
    const names = this.#payload.subarray(namesAt, block.timesAt)
    const whole = hasFields ? names : withFields(names, block.list.view)
    return this.#noteUnfit(this.#blockCount - 1, whole, nowUs, misfit) ? undefined : misfit
  }

  /** Has a block emitted row by row. @returns undefined where its names cannot be read */
  #noteUnfit(index: number, names: Buffer, nowUs: number, refusal: Refusal): UnfitBlock | undefined {
    const unfit = unfitBlock(index, names, this.#table, nowUs, refusal)
    if (unfit !== undefined) this.#unfit.push(unfit)
    return unfit
  }

  /** What names say that are not known: where the table cannot have their series, it is one apart. */
  #newNames(bytes: Buffer, nowUs: number): Readonly<BlockNames> | Refusal {
    const names = readNames(bytes, this.#table, nowUs)
    if (!isRefusal(names)) return names
    const unfit = this.#noteUnfit(this.#blockCount, bytes, nowUs, names)
    return unfit === undefined ? names : { series: unfit.apart, list: unfit.list }
  }

  /**
   * Where the columns begin, if they are those of nearly every frame: numbers as they stand, of which every row has all.
   * A place is then a product, and nothing is to be checked but the bytes before the columns. @returns -1 for others
   */
  #plainAt({ isPlain, columns }: ColumnList, rows: number): number {
    if (!isPlain) return -1
    const start = this.#at
    const columnBytes = 1 + rows * 8
    const end = start + columns.length * columnBytes
    if (end > this.#payload.length) return -1
    for (let at = start; at < end; at += columnBytes) if (this.#payload[at] !== ALL_PRESENT) return -1
    this.#at = end
    return start
  }

  #checkColumn(column: Column, rows: number): Refusal | undefined {
    const payload = this.#payload
    const cursor = this.#nextCursor()
    if (this.#at >= payload.length) return this.#truncated('a column')
    const presence = payload[this.#at++]!
    if (presence > NONE_PRESENT) return malformed(`unknown presence ${presence}`)
    let present = presence === ALL_PRESENT ? rows : 0
    cursor.presence = presence
    cursor.bitsAt = this.#at
    if (presence === SOME_PRESENT) {
      this.#at += Math.ceil(rows / 8)
      if (this.#at > payload.length) return this.#truncated('the bits of presence')
      for (let at = cursor.bitsAt; at < this.#at; at++) present += ones(payload[at]!)
      if ((rows & 7) !== 0 && payload[this.#at - 1]! >> (rows & 7) !== 0)
        return malformed('bits of presence beyond the rows')
    }
    cursor.valueAt = this.#at
    this.#at += present * VALUE_BYTES[column.kind]
    if (this.#at > payload.length) return this.#truncated(`a column of ${column.kind} values`)
    cursor.textAt = this.#at
    if (column.kind === 'string') return this.#checkStrings(cursor.valueAt, this.#at)
    if (column.kind === 'bool') return this.#checkBooleans(cursor.valueAt, this.#at)
    return column.isConverted ? this.#checkConversion(column, cursor.valueAt, this.#at) : undefined
  }

  /**
   * The lengths come before the texts. A text that begins inside a character would share that character with the one
   * before.
   */
  #checkStrings(lengthsAt: number, textAt: number): Refusal | undefined {
    const payload = this.#payload
    for (let at = lengthsAt; at < textAt; at += 4) {
      const length = payload.readUInt32LE(at)
      if (this.#at + length > payload.length) return this.#truncated('a string')
      if (length > 0 && (payload[this.#at]! & 0xc0) === 0x80) return malformed('a string that is not UTF-8')
      this.#at += length
    }
    return isUtf8(payload.subarray(textAt, this.#at)) ? undefined : malformed('a string that is not UTF-8')
  }

  #checkBooleans(from: number, end: number): Refusal | undefined {
    for (let at = from; at < end; at++)
      if (this.#payload[at]! > 1) return malformed('a boolean that is neither 0 nor 1')
    return undefined
  }

  /** Integers may be in a field of another kind of number, as long as each keeps its value. */
  #checkConversion(column: Column, from: number, end: number): Refusal | undefined {
    for (let at = from; at < end; at += 8) {
      const value = this.#integerAt(at, column.kind === 'int')
      if (!integerFitsKind(value, column.target)) {
        return {
          reason: 'field_type',
          detail: `${value} (${column.kind}) in field ${column.name}, known as ${column.target}`,
        }
      }
    }
    return undefined
  }

  /** Emits all blocks, some of them row by row. */
  #emitAround(emit: SampleSink): void {
    let next = 0
    for (let i = 0; i < this.#blockCount; i++) {
      if (next < this.#unfit.length && this.#unfit[next]!.index === i) this.#emitFitting(this.#unfit[next++]!, emit)
      else this.#emitBlock(this.#blocks[i]!, emit)
    }
  }

  /** Emits the rows of a block that fit the table. The others are refused. */
  #emitFitting(unfit: UnfitBlock, emit: SampleSink): void {
    const { rows, timesAt, tiesAt, firstColumn } = this.#blocks[unfit.index]!
    const { apart, home, list } = unfit
    for (let row = 0; row < rows; row++) {
      const values = list.columns.map((column, c) => this.#nextValue(column, this.#cursors[firstColumn + c]!, row))
      const at = this.#exactInteger(timesAt + row * 8)
      const tie = tiesAt < 0 ? 0 : this.#view.getUint16(tiesAt + row * 2, true)
      const fitting = isRefusal(home) ? home : fittingValues(home, list, values)
      if (isRefusal(home) || isRefusal(fitting)) {
        this.refusedParts.push({ refusal: fitting as Refusal, sample: { series: apart, values, at, tie } })
        continue
      }
      this.#sample ??= { series: home, values: fitting, at, tie }
      emit(Object.assign(this.#sample, { series: home, values: fitting, at, tie }))
    }
  }

  #emitBlock({ series, list, rows, timesAt, tiesAt, firstColumn, plainAt }: Block, emit: SampleSink): void {
    const { columns, values } = list
    this.#sample ??= { series, values, at: 0, tie: 0 }
    const sample = this.#sample
    sample.series = series
    sample.values = values
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < columns.length; c++) {
        const column = columns[c]!
        values[column.index] =
          plainAt < 0
            ? this.#nextValue(column, this.#cursors[firstColumn + c]!, row)
            : this.#numberAt(column, plainAt + 1 + c * (1 + rows * 8) + row * 8)
      }
      sample.at = this.#exactInteger(timesAt + row * 8)
      sample.tie = tiesAt < 0 ? 0 : this.#view.getUint16(tiesAt + row * 2, true)
      emit(sample)
    }
  }

  #nextValue(column: Column, cursor: Cursor, row: number): Slot {
    const payload = this.#payload
    if (cursor.presence !== ALL_PRESENT) {
      if (cursor.presence === NONE_PRESENT) return column.absent
      if ((payload[cursor.bitsAt + (row >> 3)]! & (1 << (row & 7))) === 0) return column.absent
    }
    const at = cursor.valueAt
    cursor.valueAt += VALUE_BYTES[column.kind]
    switch (column.kind) {
      case 'float':
      case 'int':
      case 'uint':
        return this.#numberAt(column, at)
      case 'bool':
        return payload[at] === 1
      case 'string': {
        const start = cursor.textAt
        cursor.textAt += payload.readUInt32LE(at)
        if (cursor.textAt - start <= MAX_STRING_BYTES) return payload.toString('utf8', start, cursor.textAt)
        this.cleaned++
        return column.absent
      }
    }
  }

  #numberAt({ kind, target, absent }: Column, at: number): Slot {
    if (kind === 'float') {
      const value = this.#view.getFloat64(at, true)
      if (value - value === 0) return value
      this.cleaned++
      return absent
    }
    const value = this.#integerAt(at, kind === 'int')
    return target === 'float' ? Number(value) : value
  }

  #integerAt(at: number, signed: boolean): number | bigint {
    const high = this.#view.getInt32(at + 4, true)
    if (high >= -EXACT_HIGH && high < EXACT_HIGH && (signed || high >= 0)) return this.#exactInteger(at)
    return signed ? this.#payload.readBigInt64LE(at) : this.#payload.readBigUInt64LE(at)
  }

  /** An int64 as a double; NaN where that would not be exact. */
  #exactInteger(at: number): number {
    const high = this.#view.getInt32(at + 4, true)
    if (high < -EXACT_HIGH || high >= EXACT_HIGH) return Number.NaN
    return high * TWO_TO_32 + this.#view.getUint32(at, true)
  }

  #runIdAt(start: number, end: number): string | undefined {
    const known = this.#knownRunIds.get(this.#payload, start, end)
    if (known !== undefined) return known
    if (!isUtf8(this.#payload.subarray(start, end))) return undefined
    const runId = this.#payload.toString('utf8', start, end)
    this.#knownRunIds.set(this.#payload, start, end, runId)
    return runId
  }

  /** @returns the same object for each block whose series the table finds by its bytes: copy what you keep */
  #namesAt(start: number, end: number, nowUs: number): Readonly<BlockNames> | Refusal {
    const payload = this.#payload
    const view = this.#view
    const series = this.#finder.find(payload, view, start, end)
    const list = series && knownColumns(series.shape, view, start + series.namesBytes, end)
    if (series !== undefined && list !== undefined) return this.#foundNames(series, list, nowUs)
    const known = this.#otherNames.get(payload, start, end)
    if (known !== undefined && !known.series.evicted) {
      known.series.usedAt = nowUs
      return known
    }
    const names = this.#newNames(payload.subarray(start, end), nowUs)
    const isFit = !isRefusal(names) && this.#unfit.at(-1)?.apart !== names.series
    if (isFit && this.#finder.find(payload, view, start, end) === undefined) {
      this.#otherNames.set(payload, start, end, names)
    }
    return names
  }

  /** The same of names that end after the tags: the fields are those of the block before. */
  #namesWithFields(start: number, end: number, nowUs: number): Readonly<BlockNames> | Refusal {
    if (this.#blockCount === 0) return malformed('the first block has no fields')
    const before = this.#blocks[this.#blockCount - 1]!
    const { view } = before.list
    const series = this.#finder.find(this.#payload, this.#view, start, end)
    if (series !== undefined && series.namesBytes === end - start) {
      const isSameShape = series.shape === before.series.shape
      const list = isSameShape ? before.list : knownColumns(series.shape, view, 0, view.byteLength)
      if (list !== undefined) return this.#foundNames(series, list, nowUs)
    }
    return this.#newNames(withFields(this.#payload.subarray(start, end), view), nowUs)
  }

  #foundNames(series: Series, list: ColumnList, nowUs: number): Readonly<BlockNames> {
    series.usedAt = nowUs
    this.#found ??= { series, list }
    this.#found.series = series
    this.#found.list = list
    return this.#found
  }

  #nextBlock({ series, list }: Readonly<BlockNames>): Block {
    const next = this.#blocks[this.#blockCount]
    const block = next ?? { series, list, rows: 0, timesAt: 0, tiesAt: -1, firstColumn: 0, plainAt: -1 }
    if (next === undefined) this.#blocks.push(block)
    block.series = series
    block.list = list
    this.#blockCount++
    return block
  }

  #nextCursor(): Cursor {
    const next = this.#cursors[this.#cursorCount]
    const cursor = next ?? { presence: NONE_PRESENT, bitsAt: 0, valueAt: 0, textAt: 0 }
    if (next === undefined) this.#cursors.push(cursor)
    this.#cursorCount++
    return cursor
  }

  #truncated(where: string): Refusal {
    return { reason: 'frame_truncated', detail: `a frame of ${this.#payload.length} bytes ends within ${where}` }
  }
}

/** Names that end after the tags, with the fields of another block. */
function withFields(names: Buffer, { buffer, byteOffset, byteLength }: DataView): Buffer {
  return Buffer.concat([names, new Uint8Array(buffer, byteOffset, byteLength)])
}

function malformed(detail: string): Refusal {
  const reason: RejectReason = 'frame_malformed'
  return { reason, detail }
}

function ones(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
