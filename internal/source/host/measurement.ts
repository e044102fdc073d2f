import { readFileSync } from 'node:fs'
import { isRefusal } from '../../sample/border.ts'
import type { Sample, SampleSink } from '../../sample/sample.ts'
import type { Series, SeriesTable } from '../../sample/series.ts'
import { type FieldKind, INT64_MAX, type Slot, type Tag } from '../../sample/value.ts'
import type { ProblemThrottle } from '../source.ts'

/** One measurement of the host, such as `cpu`. A call that throws or rejects costs this measurement's samples of the tick, no other's. */
export interface Measurement {
  readonly name: string
  /** Takes the reading that the first tick is compared with, for what is the difference of two. */
  prime?(): void
  collect(atUs: number, emit: SampleSink): void | Promise<void>
}

/**
 * A reading taken for the first tick has to be this old (ms) to be compared with; else it waits for the tick after. The kernel counts CPU time in
 * hundredths of a second, so over 20 ms a core could only be 0, 50 or 100 % busy; from here on it is told in steps of 10 %, as it is at
 * the shortest interval that can be set.
 */
export const LEAST_SPAN_MS = 100

/** Where the three trees are. In a container, the host's are mounted somewhere else. */
export interface Roots {
  readonly proc: string
  readonly sys: string
  readonly mount: string
}

/** What every measurement is made with. */
export interface Surroundings {
  readonly host: string
  readonly table: SeriesTable
  readonly monotonicMs: () => number
  readonly roots: Roots
  readonly problems: ProblemThrottle
  /** Figures that are not to be had here, with the reason; measurements add to it. */
  readonly unavailable: Map<string, string>
}

/**
 * The fields of a measurement, in the order in which their values are given.
 *
 * Telegraf counts in unsigned 64-bit integers but writes them as `i` unless `influx_uint_support` is set (InfluxDB 1.x refuses
 * `u`), so what people have in their databases is `int`, and so is all of ours.
 */
export type FieldList = readonly (readonly [name: string, kind: FieldKind])[]

/**
 * Reads a file of /proc or /sys. Synchronous on purpose: the kernel makes the text in memory, so there is nothing to wait for. Open, read
 * and close of /proc/stat took 21 µs of CPU this way and 347 µs through `fs.promises` (2 cores, Node 20.20).
 */
export function readText(path: string): string {
  return readFileSync(path, 'utf8')
}

/** The same for a file that need not be there: `undefined` when it cannot be read. */
export function readTextIfThere(path: string): string | undefined {
  try {
    return readText(path)
  } catch {
    return undefined
  }
}

/**
 * A counter from its digits, times the size of what it counts: a bigint where a number is not exact any more (a 100 Gbit/s link
 * passes 2^53 bytes after 8 days).
 */
export function counter(digits: string, unit = 1): number | bigint {
  const value = Number(digits) * unit
  if (value <= Number.MAX_SAFE_INTEGER) return value
  const exact = BigInt(digits) * BigInt(unit)
  // Telegraf cuts its counters there too.
  return exact < INT64_MAX ? exact : INT64_MAX
}

/** The samples of one measurement: each series is made once and its sample written over at each tick. */
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

  /** Series held: at most those of the last two ticks and of the one that is going. */
  get size(): number {
    return this.#rows.size
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
    // Devices come and go (each container has an interface of its own): what was not there at the last tick makes room.
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
  /** Where each field stands in the series, which may have been there before with its fields in another order. */
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
