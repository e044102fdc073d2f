import { isUtf8 } from 'node:buffer'
import type { FrameRowEncoder } from '../codec/frame-rows.ts'
import { isRefusal } from '../sample/border.ts'
import { Shape } from '../sample/shape.ts'
import type { FieldKind } from '../sample/value.ts'
import type { ColumnCells, ColumnKind, Snapshot } from './snapshot.ts'
import type { Table } from './table-reader.ts'

const FIELD_KINDS: Readonly<Record<ColumnKind, FieldKind>> = { int: 'int', float: 'float', text: 'string' }
/** The high half of −2^63, which stands for no value. Its low half is 0. */
const NO_INT_HIGH = -(2 ** 31)

/** Encodes the rows of tables, each as a sample of its series, and the texts that tell of them as samples of `fabric_info`. */
export class TableSamples {
  readonly #encoder: FrameRowEncoder
  readonly #table: Table
  readonly #shape: Shape
  readonly #columns: readonly ColumnReader[]
  readonly #infoShape: Shape

  constructor(table: Table, encoder: FrameRowEncoder) {
    this.#encoder = encoder
    this.#table = table
    const { subject, columns, cells } = table.snapshot.parts
    this.#shape = shapeOf(
      subject,
      columns.map(({ name, kind }) => [name, FIELD_KINDS[kind]]),
    )
    this.#columns = cells.map((of, i) => ({ kind: columns[i]!.kind, cells: of, words: wordsOf(of) }))
    this.#infoShape = shapeOf(
      'fabric_info',
      table.columns.info.map(({ name }) => [name, 'string']),
    )
  }

  /** @returns false where the frame is full: send it, then add the row again */
  addRow(row: number): boolean {
    const { snapshot, known, knownOf } = this.#table
    const number = knownOf[row]!
    const { atUs, texts } = snapshot.parts
    const encoder = this.#encoder
    const textBytes = this.#textBytes(row)
    if (!encoder.begin(known.bytes, known.namesAt(number), known.namesEnd(number), this.#shape, atUs[row]!, textBytes))
      return false
    for (let i = 0; i < this.#columns.length; i++) {
      const { kind, cells, words } = this.#columns[i]!
      if (kind === 'int') {
        const high = words![2 * row + 1]!
        const low = words![2 * row]!
        if (high === NO_INT_HIGH && low === 0) encoder.none()
        else encoder.int(low, high)
      } else if (kind === 'float') {
        const value = cells[row] as number
        if (Number.isNaN(value)) encoder.none()
        else encoder.float(value)
      } else {
        const place = cells[row] as number
        if (place < 0) encoder.none()
        else encoder.text(texts.bytes, texts.starts[place]!, texts.starts[place + 1]!)
      }
    }
    encoder.end()
    return true
  }

  /** Adds what tells of a known row. @returns as `addRow` */
  addInfo(number: number, atUs: number): boolean {
    const { known, columns } = this.#table
    const places = columns.info.map(({ cell }) => known.infoOf(number, cell))
    const names = known.infoNames(number)
    const textBytes = places.reduce((sum, { start, end }) => sum + end - start, 0)
    // A text that is no UTF-8 grows by the characters that stand for what cannot be read.
    if (!this.#encoder.begin(names, 0, names.length, this.#infoShape, atUs, 3 * textBytes)) return false
    for (const { start, end } of places) {
      const bytes = known.bytes.subarray(start, end)
      const text = isUtf8(bytes) ? bytes : Buffer.from(bytes.toString())
      if (text.length === 0) this.#encoder.none()
      else this.#encoder.text(text, 0, text.length)
    }
    this.#encoder.end()
    return true
  }

  #textBytes(row: number): number {
    const { starts } = this.#table.snapshot.parts.texts
    let bytes = 0
    for (const { kind, cells } of this.#columns) {
      const place = kind === 'text' ? (cells[row] as number) : -1
      if (place >= 0) bytes += starts[place + 1]! - starts[place]!
    }
    return bytes
  }
}

interface ColumnReader {
  readonly kind: ColumnKind
  readonly cells: ColumnCells
  /** Of integers: their halves, the lower first. A bigint for each would be made and thrown away. */
  readonly words: Int32Array | undefined
}

function wordsOf(cells: ColumnCells): Int32Array | undefined {
  return cells instanceof BigInt64Array ? new Int32Array(cells.buffer, cells.byteOffset, 2 * cells.length) : undefined
}

function shapeOf(
  measurement: Snapshot['parts']['subject'] | 'fabric_info',
  fields: ReadonlyArray<readonly [string, FieldKind]>,
): Shape {
  return fields.reduce((shape, [name, kind]) => {
    const wider = shape.with(name, kind)
    if (isRefusal(wider)) throw new RangeError(wider.detail)
    return wider
  }, new Shape(measurement))
}
