import type { FrameRowEncoder } from '../../codec/frame-rows.ts'
import { isRefusal, type Refusal, refuseSeries } from '../../sample/border.ts'
import { sortedTags, writeNames } from '../../sample/series-names.ts'
import { Shape } from '../../sample/shape.ts'
import type { Tag } from '../../sample/value.ts'
import { type CellSink, NO_COLUMN, type TablePort } from './port-table.ts'

const FIRST_VALUES = 1024
const TWO_TO_32 = 2 ** 32

/** A series, and what has come of it that was not encoded yet. */
export interface WideRow {
  readonly namesAt: number
  readonly namesEnd: number
  shape: Shape
  /** Where the value of each field is. */
  readonly places: number[]
  /** The time of its values. */
  atUs: number
  /** How many values it has now. */
  count: number
  /** The port that it is of, where ports are shown. */
  port: TablePort | undefined
}

/** Gathers values that come one by one into rows: those of one series and time are one sample. */
export class WideRows {
  readonly #rows = new Map<string, WideRow>()
  readonly #shapes = new Map<string, Shape>()
  /** The names of all series, as series-names.ts writes them. */
  #names = Buffer.allocUnsafeSlow(64 * 1024)
  #namesEnd = 0
  /** NaN where there is none. */
  #values = new Float64Array(FIRST_VALUES).fill(Number.NaN)
  #used = 0
  /** Integers beyond 2^53, by their place. */
  readonly #large = new Map<number, bigint>()
  /** Rows with values, in the order of their first ones; a row that was encoded since may stand there twice. */
  readonly pending: WideRow[] = []

  /** The row of a series. */
  rowOf(measurement: string, tags: readonly Tag[]): WideRow | Refusal {
    const sorted = sortedTags(tags)
    const refusal = refuseSeries(measurement, sorted)
    if (refusal !== undefined) return refusal
    const names = writeNames(measurement, sorted)
    const key = names.toString('latin1')
    let row = this.#rows.get(key)
    if (row === undefined) {
      const namesAt = this.#keepNames(names)
      row = { namesAt, namesEnd: namesAt + names.length, shape: this.#shapeOf(measurement), places: [], atUs: 0, count: 0, port: undefined } // biome-ignore format: one line
      this.#rows.set(key, row)
    }
    return row
  }

  /** The place of a field of a row. The first call decides on its kind. */
  placeOf(row: WideRow, name: string, kind: 'float' | 'int'): number | Refusal {
    const known = row.shape.indexOf(name)
    if (known >= 0) return row.places[known]!
    const wider = row.shape.with(name, kind)
    if (isRefusal(wider)) return wider
    row.shape = wider
    if (this.#used === this.#values.length) {
      const larger = new Float64Array(2 * this.#used).fill(Number.NaN)
      larger.set(this.#values)
      this.#values = larger
    }
    row.places.push(this.#used)
    return this.#used++
  }

  /** Whether a value of this time would be one of another sample than the values that the row has: encode it first. */
  isOfAnother(row: WideRow, atUs: number): boolean {
    return row.count > 0 && row.atUs !== atUs
  }

  /** @returns false where the row has a value for this field and time already, which stays */
  put(row: WideRow, place: number, value: number | bigint, atUs: number): boolean {
    if (!Number.isNaN(this.#values[place])) return false
    if (row.count === 0) {
      row.atUs = atUs
      this.pending.push(row)
    }
    row.count++
    this.#values[place] = Number(value)
    if (typeof value === 'bigint') this.#large.set(place, value)
    return true
  }

  /** Encodes the values of a row, and takes them out of it. @returns false where the frame is full: send it, then try again */
  encode(row: WideRow, encoder: FrameRowEncoder): boolean {
    if (row.count === 0) return true
    const { shape, places } = row
    if (!encoder.begin(this.#names, row.namesAt, row.namesEnd, shape, row.atUs)) return false
    const { fieldKinds } = shape
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!
      const value = this.#values[place]!
      if (Number.isNaN(value)) encoder.none()
      else if (fieldKinds[i] === 'float') encoder.float(value)
      else this.#encodeInteger(place, value, encoder)
      this.#values[place] = Number.NaN
    }
    row.count = 0
    encoder.end()
    return true
  }

  /** Sets the cells of a table to the values of a row. @param columns by field */
  fill({ shape, places }: WideRow, columns: Int32Array, cells: CellSink): void {
    const { fieldKinds } = shape
    for (let i = 0; i < places.length; i++) {
      const [column, place] = [columns[i]!, places[i]!]
      const value = this.#values[place]!
      if (column === NO_COLUMN || Number.isNaN(value)) continue
      if (fieldKinds[i] === 'float') cells.float(column, value)
      else cells.int(column, this.#large.get(place) ?? value)
    }
  }

  #encodeInteger(place: number, value: number, encoder: FrameRowEncoder): void {
    const large = this.#large.get(place)
    if (large === undefined) {
      const high = Math.floor(value / TWO_TO_32)
      encoder.int(value - high * TWO_TO_32, high)
      return
    }
    this.#large.delete(place)
    encoder.int(Number(BigInt.asIntN(32, large)), Number(large >> 32n))
  }

  #shapeOf(measurement: string): Shape {
    const shape = this.#shapes.get(measurement) ?? new Shape(measurement)
    this.#shapes.set(measurement, shape)
    return shape
  }

  #keepNames(names: Buffer): number {
    const at = this.#namesEnd
    this.#namesEnd += names.length
    if (this.#namesEnd > this.#names.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#namesEnd)
      larger.set(this.#names.subarray(0, at))
      this.#names = larger
    }
    names.copy(this.#names, at)
    return at
  }
}
