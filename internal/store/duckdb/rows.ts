import type { FieldValue } from '../../sample/value.ts'
import type { Field, StoredSeries } from './catalogue.ts'

/**
 * Rows in flat arrays, so that half a million a second leave no objects behind: a row is a series, a time and a run of
 * values.
 */
export class Rows {
  count = 0
  readonly #series: StoredSeries[] = []
  readonly #at: Float64Array
  readonly #tie: Uint16Array
  /** Where a row's values begin; they end where the next row's begin. */
  readonly #firstValue: Uint32Array

  #values = 0
  readonly #fields: Field[] = []
  /** Eight bytes a value, seen as what its field is; of a string, its place in `#strings`. */
  #numbers = new Float64Array(1024)
  #longs = new BigInt64Array(this.#numbers.buffer)
  #unsignedLongs = new BigUint64Array(this.#numbers.buffer)
  readonly #strings: string[] = []

  constructor(maxRows: number) {
    this.#at = new Float64Array(maxRows)
    this.#tie = new Uint16Array(maxRows)
    this.#firstValue = new Uint32Array(maxRows + 1)
  }

  /** Begins a row; the values that follow are its own. Returns its number. */
  begin(series: StoredSeries, at: number, tie: number): number {
    const row = this.count++
    this.#series[row] = series
    this.#at[row] = at
    this.#tie[row] = tie
    this.#firstValue[row] = this.#values
    this.#firstValue[row + 1] = this.#values
    return row
  }

  /** Adds a value, of the field's kind, to the row that was begun last. */
  put(field: Field, value: FieldValue): void {
    const place = this.#values++
    if (place === this.#numbers.length) this.#grow()
    this.#fields[place] = field
    switch (field.kind) {
      case 'float':
      case 'bool':
        this.#numbers[place] = Number(value)
        break
      case 'int':
        this.#longs[place] = BigInt(value)
        break
      case 'uint':
        this.#unsignedLongs[place] = BigInt(value)
        break
      case 'string':
        this.#numbers[place] = this.#strings.push(value as string) - 1
    }
    this.#firstValue[this.count] = this.#values
  }

  series(row: number): StoredSeries {
    return this.#series[row]!
  }

  at(row: number): number {
    return this.#at[row]!
  }

  tie(row: number): number {
    return this.#tie[row]!
  }

  /** A row's values are those from `firstValue(row)` up to, and without, `firstValue(row + 1)`. */
  firstValue(row: number): number {
    return this.#firstValue[row]!
  }

  field(place: number): Field {
    return this.#fields[place]!
  }

  value(place: number): FieldValue {
    const number = this.#numbers[place]!
    switch (this.#fields[place]!.kind) {
      case 'float':
        return number
      case 'bool':
        return number === 1
      case 'int':
        return this.#longs[place]!
      case 'uint':
        return this.#unsignedLongs[place]!
      case 'string':
        return this.#strings[number]!
    }
  }

  clear(): void {
    this.count = 0
    this.#values = 0
    this.#series.length = 0
    this.#fields.length = 0
    this.#strings.length = 0
  }

  #grow(): void {
    const numbers = new Float64Array(this.#numbers.length * 2)
    numbers.set(this.#numbers)
    this.#numbers = numbers
    this.#longs = new BigInt64Array(numbers.buffer)
    this.#unsignedLongs = new BigUint64Array(numbers.buffer)
  }
}
