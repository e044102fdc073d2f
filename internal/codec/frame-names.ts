import { isUtf8 } from 'node:buffer'
import { isRefusal, type Refusal } from '../sample/border.ts'
import { sameBytes, viewOf } from '../sample/same-bytes.ts'
import type { Series, SeriesTable } from '../sample/series.ts'
import { type Column, type ColumnList, MAX_FIELDS, type Shape } from '../sample/shape.ts'
import type { FieldKind, Tag } from '../sample/value.ts'
import { KINDS } from './frame-layout.ts'

/** Lists of fields that are remembered of a shape. Each publisher sends one, and another for each field that is new. */
const MAX_COLUMN_LISTS = 8

/** What the names of a block say: a series of this process, and its columns. */
export interface BlockNames {
  series: Series
  list: ColumnList
}

/** What the names of a block say, before any series is looked for. */
export interface SaidNames {
  readonly measurement: string
  readonly tags: readonly Tag[]
  readonly fields: ReadonlyArray<{ readonly name: string; readonly kind: FieldKind }>
  /** Where the fields begin in the bytes. */
  readonly fieldsAt: number
}

/** Reads the names and finds, or makes, their series. */
export function readNames(bytes: Buffer, table: SeriesTable, nowUs: number): BlockNames | Refusal {
  const said = parseNames(bytes)
  if (typeof said === 'string') return malformed(said)
  const { measurement, tags, fields, fieldsAt } = said
  if (fields.length > MAX_FIELDS)
    return { reason: 'too_many_fields', detail: `${fields.length} fields, at most ${MAX_FIELDS}` }
  const series = table.intern(measurement, tags, nowUs)
  if (isRefusal(series)) return series
  const columns: Column[] = []
  for (const { name, kind } of fields) {
    const column = columnOf(series, name, kind)
    if (isRefusal(column)) return column
    columns.push(column)
  }
  if (new Set(columns.map((column) => column.index)).size < columns.length) return malformed('a field stands twice')
  return { series, list: columnList(series.shape, bytes.subarray(fieldsAt), columns) }
}

/** @returns why they cannot be read; names that can be read say how long the block is */
export function parseNames(bytes: Buffer): SaidNames | string {
  const reader = new NameReader(bytes)
  const measurement = reader.text()
  const tags: Tag[] = []
  for (let left = reader.uint16(); left > 0 && !reader.failed; left--) tags.push([reader.text(), reader.text()])
  const fieldsAt = reader.at
  const fields: Array<{ name: string; kind: FieldKind }> = []
  let hasUnknownKind = false
  for (let left = reader.uint16(); left > 0 && !reader.failed; left--) {
    const kind = KINDS[reader.uint8()]
    hasUnknownKind ||= kind === undefined
    fields.push({ kind: kind ?? 'float', name: reader.text() })
  }
  if (reader.failed || reader.left > 0) return 'names whose lengths do not add up, or are not UTF-8'
  if (fields.length === 0) return 'a series without fields'
  if (hasUnknownKind) return 'an unknown kind of a field'
  return { measurement, tags, fields, fieldsAt }
}

/** The list of fields that a message has in these bytes, if any series of the shape came with it before. */
export function knownColumns(
  { columnLists }: Shape,
  view: DataView,
  start: number,
  end: number,
): ColumnList | undefined {
  for (let i = 0; i < columnLists.length; i++) {
    const list = columnLists[i]!
    const { byteLength } = list.view
    if (byteLength === end - start && sameBytes(list.view, 0, view, start, byteLength)) return list
  }
  return undefined
}

function columnList(shape: Shape, bytes: Buffer, found: readonly Column[]): ColumnList {
  const known = knownColumns(shape, viewOf(bytes), 0, bytes.length)
  if (known !== undefined) return known
  const numeric = found.every((column) => column.target !== 'bool' && column.target !== 'string')
  const absent = numeric ? Number.NaN : undefined
  const lastIndex = Math.max(...found.map(({ index }) => index))
  const list: ColumnList = {
    view: viewOf(Buffer.from(bytes)),
    columns: found.map((column) => ({ ...column, absent })),
    isPlain: numeric && found.every((column) => !column.isConverted),
    values: Array.from({ length: lastIndex + 1 }, () => absent),
  }
  shape.columnLists.push(list)
  if (shape.columnLists.length > MAX_COLUMN_LISTS) shape.columnLists.shift()
  return list
}

/** The fields of a shape as a frame names them. They are the same bytes in every frame: receivers look them up. */
export function frameFields(shape: Shape): Uint8Array {
  if (shape.frameFields !== undefined) return shape.frameFields
  const parts = [uint16(shape.width)]
  for (const [i, name] of shape.fieldNames.entries()) {
    const text = Buffer.from(name)
    parts.push(Buffer.of(KINDS.indexOf(shape.fieldKinds[i]!)), uint16(text.length), text)
  }
  shape.frameFields = Buffer.concat(parts)
  return shape.frameFields
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function columnOf(series: Series, name: string, kind: FieldKind): Column | Refusal {
  const index = series.field(name, kind)
  if (isRefusal(index)) return index
  const target = series.fieldKinds[index]!
  const isConverted = target !== kind
  if (isConverted && !isConvertible(kind, target)) {
    return { reason: 'field_type', detail: `field ${name} of ${series.measurement} is ${kind}, known as ${target}` }
  }
  return { name, kind, target, isConverted, index, absent: undefined }
}

/** Whether values of a kind may be in a field of another kind: each must still keep its value (`integerFitsKind`). */
export function isConvertible(kind: FieldKind, target: FieldKind): boolean {
  return (kind === 'int' || kind === 'uint') && (target === 'float' || target === 'int' || target === 'uint')
}

function malformed(detail: string): Refusal {
  return { reason: 'frame_malformed', detail }
}

/** Reads from left to right. After it runs out of bytes, or meets text that is not UTF-8, `failed` is set. */
class NameReader {
  failed = false
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.at
  }

  uint8(): number {
    const start = this.#take(1)
    return start < 0 ? 0 : this.#bytes.readUInt8(start)
  }

  uint16(): number {
    const start = this.#take(2)
    return start < 0 ? 0 : this.#bytes.readUInt16LE(start)
  }

  /** A length, then that many bytes of UTF-8. */
  text(): string {
    const length = this.uint16()
    const start = this.#take(length)
    if (start < 0) return ''
    const text = this.#bytes.subarray(start, start + length)
    if (isUtf8(text)) return text.toString('utf8')
    this.failed = true
    return ''
  }

  #take(length: number): number {
    if (this.failed || length > this.left) {
      this.failed = true
      return -1
    }
    const start = this.at
    this.at += length
    return start
  }
}
