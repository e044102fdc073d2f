import type { FieldValue } from '../../sample/value.ts'
import type { Field, StoredSeries } from './catalogue.ts'

/**
 * Rows in flat arrays, so half a million rows a second create no objects. A row has a series, a time and consecutive values.
 */
export class Rows {
  count = 0
  readonly #series: StoredSeries[] = []
  readonly #at: Float64Array
  readonly #tie: Uint16Array
  /** Index of the first value of each row. Its last value is before the first of the next row. */
  readonly #firstValue: Uint32Array

  #values = 0
  readonly #fields: Field[] = []
  /** Eight bytes per value, read as the kind of its field. A string is an index into `#strings`. */
  #numbers = new Float64Array(1024)
  #longs = new BigInt64Array(this.#numbers.buffer)
  #unsignedLongs = new BigUint64Array(this.#numbers.buffer)
  readonly #strings: string[] = []

  constructor(maxRows: number) {
    this.#at = new Float64Array(maxRows)
    this.#tie = new Uint16Array(maxRows)
    this.#firstValue = new Uint32Array(maxRows + 1)
  }

  /** Begins a row, to which the following values belong. @returns its number */
  begin(series: StoredSeries, at: number, tie: number): number {
    const row = this.count++
    this.#series[row] = series
    this.#at[row] = at
    this.#tie[row] = tie
    this.#firstValue[row] = this.#values
    this.#firstValue[row + 1] = this.#values
    return row
  }

  /** Adds a value of the field's kind to the last row. */
  put(field: Field, value: FieldValue): void {
    const index = this.#values++
    if (index === this.#numbers.length) this.#grow()
    this.#fields[index] = field
    switch (field.kind) {
      case 'float':
      case 'bool':
        this.#numbers[index] = Number(value)
        break
      case 'int':
        this.#longs[index] = BigInt(value)
        break
      case 'uint':
        this.#unsignedLongs[index] = BigInt(value)
        break
      case 'string':
        this.#numbers[index] = this.#strings.push(value as string) - 1
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

  /** The values of a row have the indexes from `firstValue(row)` up to but not including `firstValue(row + 1)`. */
  firstValue(row: number): number {
    return this.#firstValue[row]!
  }

  field(index: number): Field {
    return this.#fields[index]!
  }

  value(index: number): FieldValue {
    const number = this.#numbers[index]!
    switch (this.#fields[index]!.kind) {
      case 'float':
        return number
      case 'bool':
        return number === 1
      case 'int':
        return this.#longs[index]!
      case 'uint':
        return this.#unsignedLongs[index]!
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
