import { isUtf8 } from 'node:buffer'
import { isRefusal, type Refusal } from '../sample/border.ts'
import { MAX_FIELDS, type Series, type SeriesTable } from '../sample/series.ts'
import type { FieldKind, Slot, Tag } from '../sample/value.ts'
import { KINDS } from './frame-layout.ts'

/** What the names of a block say: a series of this process, and its columns. */
export interface BlockNames {
  readonly series: Series
  readonly columns: readonly ColumnName[]
  /** In the order of the series' fields; every sample reuses it. If all are numbers, V8 stores it as plain doubles. */
  readonly values: Slot[]
}

export interface ColumnName {
  readonly name: string
  /** The kind in the frame, and the kind of the field in the series. */
  readonly kind: FieldKind
  readonly target: FieldKind
  readonly isConverted: boolean
  /** The field's index in the series. */
  readonly index: number
  /** The placeholder for "no value". */
  readonly absent: Slot
}

/** Reads the names and finds, or makes, their series. */
export function readNames(bytes: Buffer, table: SeriesTable, nowUs: number): BlockNames | Refusal {
  const reader = new NameReader(bytes)
  const measurement = reader.text()
  const tags: Tag[] = []
  for (let left = reader.uint16(); left > 0 && !reader.failed; left--) tags.push([reader.text(), reader.text()])
  const fields: Array<{ name: string; kind: FieldKind | undefined }> = []
  for (let left = reader.uint16(); left > 0 && !reader.failed; left--) {
    fields.push({ kind: KINDS[reader.uint8()], name: reader.text() })
  }
  if (reader.failed || reader.left > 0) return malformed('names whose lengths do not add up, or are not UTF-8')
  if (fields.length === 0) return malformed('a series without fields')
  if (fields.length > MAX_FIELDS)
    return { reason: 'too_many_fields', detail: `${fields.length} fields, at most ${MAX_FIELDS}` }
  const series = table.intern(measurement, tags, nowUs)
  if (isRefusal(series)) return series
  const columns: ColumnName[] = []
  for (const { name, kind } of fields) {
    if (kind === undefined) return malformed(`an unknown kind of field ${name}`)
    const column = columnOf(series, name, kind)
    if (isRefusal(column)) return column
    columns.push(column)
  }
  if (new Set(columns.map((column) => column.index)).size < columns.length) return malformed('a field stands twice')
  const numeric = columns.every((column) => column.target !== 'bool' && column.target !== 'string')
  for (const [i, column] of columns.entries()) columns[i] = { ...column, absent: numeric ? Number.NaN : undefined }
  return { series, columns, values: series.fieldNames.map(() => (numeric ? Number.NaN : undefined)) }
}

function columnOf(series: Series, name: string, kind: FieldKind): ColumnName | Refusal {
  const index = series.field(name, kind)
  if (isRefusal(index)) return index
  const target = series.fieldKinds[index]!
  const isConverted = target !== kind
  const isPossible =
    (kind === 'int' || kind === 'uint') && (target === 'float' || target === 'int' || target === 'uint')
  if (isConverted && !isPossible) {
    return { reason: 'field_type', detail: `field ${name} of ${series.measurement} is ${kind}, known as ${target}` }
  }
  return { name, kind, target, isConverted, index, absent: undefined }
}

function malformed(detail: string): Refusal {
  return { reason: 'frame_malformed', detail }
}

/** Reads from left to right. After it runs out of bytes, or meets text that is not UTF-8, `failed` is set. */
class NameReader {
  failed = false
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
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
    const start = this.#at
    this.#at += length
    return start
  }
}
