import { isRefusal } from '../../sample/border.ts'
import type { Sample, SampleSink } from '../../sample/sample.ts'
import type { Series } from '../../sample/series.ts'
import type { Slot, Tag } from '../../sample/value.ts'
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
   * Hands a sample to `emit`. A series that the table refuses is reported and left out.
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
    const row = this.#rows.get(key) ?? this.#add(key, tags)
    row?.emit(atUs, values, emit)
  }

  #add(key: string, tags: readonly Tag[]): Row | undefined {
    // Devices come and go: each container has an interface of its own. Rows without a sample in the last tick are
    // forgotten.
    for (const [old, { atUs }] of this.#rows) {
      if (atUs !== this.#atUs && atUs !== this.#lastAtUs) this.#rows.delete(old)
    }
    const { table, host, problems } = this.#surroundings
    const series = table.intern(this.#measurement, [...tags, ['host', host]], this.#atUs)
    if (isRefusal(series)) {
      problems.report(this.#measurement, `a series was refused: ${series.detail}`)
      return undefined
    }
    const row = new Row(series, this.#fields)
    this.#rows.set(key, row)
    return row
  }
}

class Row {
  readonly #sample: Sample
  /** The index of each field in the series, which may have existed before, with its fields in another order. */
  readonly #places: readonly number[]

  constructor(series: Series, fields: FieldList) {
    this.#places = fields.map(([name, kind]) => {
      const place = series.field(name, kind)
      if (typeof place !== 'number') throw new Error(place.detail)
      return place
    })
    this.#sample = { series, values: new Array<Slot>(series.fieldNames.length).fill(undefined), at: 0, tie: 0 }
  }

  get atUs(): number {
    return this.#sample.at
  }

  emit(atUs: number, values: readonly Slot[], emit: SampleSink): void {
    const sample = this.#sample
    for (let i = 0; i < values.length; i++) sample.values[this.#places[i]!] = values[i]
    sample.at = atUs
    sample.series.usedAt = atUs
    emit(sample)
  }
}
