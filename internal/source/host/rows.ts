import { isRefusal } from '../../sample/border.ts'
import type { Sample, SampleSink } from '../../sample/sample.ts'
import type { Series } from '../../sample/series.ts'
import { fitsKind, type Slot, type Tag } from '../../sample/value.ts'
import type { LeftOut } from '../left-out.ts'
import type { FieldList, Surroundings } from './measurement.ts'

/** The samples of one measurement. Each series is made once, and its sample is overwritten at each tick. */
export class Rows {
  readonly #measurement: string
  readonly #fields: FieldList
  readonly #surroundings: Surroundings
  readonly #rows = new Map<string, Row>()
  #atUs = 0
  #lastAtUs = 0

  constructor(measurement: string, fields: FieldList, surroundings: Surroundings) {
    this.#measurement = measurement
    this.#fields = fields
    this.#surroundings = surroundings
  }

  /**
   * Hands a sample to `emit`, unless no value is left in it. A series that the table refuses is reported and left out.
   *
   * @param tags beside `host`
   * @param values in the order of the fields
   */
  emit(atUs: number, tags: readonly Tag[], values: readonly Slot[], emit: SampleSink): void {
    if (atUs !== this.#atUs) {
      this.#lastAtUs = this.#atUs
      this.#atUs = atUs
    }
    let key = ''
    for (const [, value] of tags) key += `${value}\0`
    const known = this.#rows.get(key)
    const row = known?.isKnown ? known : this.#add(key, tags)
    row?.emit(atUs, values, emit)
  }

  #add(key: string, tags: readonly Tag[]): Row | undefined {
    // Devices come and go: each container has an interface of its own. Rows without a sample in the last tick are
    // forgotten.
    for (const [old, { atUs }] of this.#rows) {
      if (atUs !== this.#atUs && atUs !== this.#lastAtUs) this.#rows.delete(old)
    }
    const { table, host, problems, leftOut } = this.#surroundings
    const series = table.intern(this.#measurement, [...tags, ['host', host]], this.#atUs)
    if (isRefusal(series)) {
      problems.report(this.#measurement, `a series was refused: ${series.detail}`)
      return undefined
    }
    const part = [this.#measurement, ...tags.slice(0, 1).map(([, value]) => value)].join(' ')
    const row = new Row(series, this.#fields, part, leftOut)
    this.#rows.set(key, row)
    return row
  }
}

class Row {
  readonly #sample: Sample
  readonly #fields: FieldList
  /** The index of each field in the series, which may have existed before, with its fields in another order. */
  readonly #places: readonly number[]
  /** For each field, the index in `#fields` of the field that bounds it; -1 without one. */
  readonly #bounds: readonly number[]
  /** Names the row in a problem. */
  readonly #part: string
  readonly #leftOut: LeftOut

  constructor(series: Series, fields: FieldList, part: string, leftOut: LeftOut) {
    this.#places = fields.map(([name, kind]) => {
      const place = series.field(name, kind)
      if (typeof place !== 'number') throw new Error(place.detail)
      return place
    })
    this.#bounds = fields.map(([, , range]) => fields.findIndex(([name]) => name === range?.max))
    this.#fields = fields
    this.#part = part
    this.#leftOut = leftOut
    this.#sample = { series, values: new Array<Slot>(series.fieldNames.length).fill(undefined), at: 0, tie: 0 }
  }

  get atUs(): number {
    return this.#sample.at
  }

  /** Whether the table still has its series. */
  get isKnown(): boolean {
    return !this.#sample.series.evicted
  }

  emit(atUs: number, values: readonly Slot[], emit: SampleSink): void {
    const sample = this.#sample
    let isEmpty = true
    for (let i = 0; i < values.length; i++) {
      const value = this.#checked(i, values)
      if (value !== undefined) isEmpty = false
      sample.values[this.#places[i]!] = value
    }
    sample.at = atUs
    sample.series.usedAt = atUs
    if (!isEmpty) emit(sample)
  }

  /** The value of a field, or undefined for one that cannot be. */
  #checked(i: number, values: readonly Slot[]): Slot {
    const value = values[i]
    if (value === undefined) return undefined
    const [name, kind, range] = this.#fields[i]!
    if (Number.isNaN(value)) {
      this.#leftOut.note('unreadable', this.#part, `${name} could not be read as a number: left out`)
      return undefined
    }
    const max = this.#bounds[i] === -1 ? range?.max : values[this.#bounds[i]!]
    if (fitsKind(value, kind) && isWithin(value as number | bigint, range?.min ?? 0, max as Limit)) return value
    const above = typeof range?.max === 'string' ? ` with a ${range.max} of ${String(max)}` : ''
    this.#leftOut.note('out_of_range', this.#part, `${name} cannot be ${String(value)}${above}: left out`)
    return undefined
  }
}

type Limit = number | bigint | undefined

/** A limit that is unknown or NaN bounds nothing. */
function isWithin(value: number | bigint, min: number, max: Limit): boolean {
  return value >= min && !(max !== undefined && value > max)
}
