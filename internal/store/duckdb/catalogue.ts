import { quote, type Refusal } from '../../sample/border.ts'
import type { Series } from '../../sample/series.ts'
import type { FieldKind, Tag } from '../../sample/value.ts'

/**
 * Each measurement has one table a day, which takes at least one block (256 KiB) of the file: 500 measurements take 1 GiB in
 * eight days.
 */
const MAX_MEASUREMENTS = 500
/** Each is a column. A publisher that sends more has a value in its field names. */
const MAX_FIELDS = 1024
/** All are in memory, about 300 bytes each. */
const MAX_SERIES = 1_000_000

export const DAY_US = 86_400_000_000

/** A field of a measurement: one name, one kind, and the same column in each table that has values of it. */
export interface Field {
  readonly id: number
  readonly name: string
  readonly kind: FieldKind
  /** `f` and a number, so SQL needs no quotes. */
  readonly column: string
  /** Whether the file has it. */
  stored: boolean
}

/** Rows of a day in a table of their own. No row is added to it any more. */
export interface DayPart {
  readonly name: string
  readonly columns: readonly Field[]
  /** Whether its rows are in the order of their series and times. */
  readonly sorted: boolean
}

/** The table of one measurement and day (UTC). Its columns are `time_ns`, `series` and `columns`, in this order. */
export interface DayTable {
  readonly name: string
  columns: readonly Field[]
  /** Rows in this table itself. */
  rows: number
  /** Its older rows, which were set apart to be sorted, the oldest first. */
  parts: readonly DayPart[]
  /** Whether it may have two rows of one series and time. A query then merges its rows. Once true, it stays true. */
  repeats: boolean
}

/** A value of the tag `host`. */
export interface StoredHost {
  /** Series that have it. */
  series: number
  /** Time of the newest sample in the file; -Infinity while there is none. */
  newestAt: number
}

/** One tag set of a measurement. */
export interface StoredSeries {
  readonly id: number
  readonly host: StoredHost | undefined
  readonly measurement: Measurement
  readonly tags: readonly Tag[]
  stored: boolean
  /** Time of the newest sample in the file; -Infinity while there is none. */
  newestAt: number
  /** Time and tie of the newest sample ever appended: a later row cannot be a repeat. */
  lastAt: number
  lastTie: number
  /** The newest day of any sample added to a batch, written or not. */
  day: number
}

export interface Measurement {
  readonly id: number
  readonly name: string
  stored: boolean
  readonly fields: Map<string, Field>
  nextField: number
  /** Key: days since the epoch. */
  readonly days: Map<number, DayTable>
  /** Key: the tags as JSON. */
  readonly series: Map<string, StoredSeries>
}

/** Where the samples of a series go. Looked up once, then remembered. */
export interface Plan {
  readonly series: StoredSeries
  /** In the order of the fields of the series. A field that has had no value yet is missing. */
  readonly fields: Field[]
}

/**
 * The names in the file, in memory: measurements with their fields and series, and the tables. Only the writer adds to it. An addition is
 * `stored` after the transaction that writes it to the file.
 */
export class Catalogue {
  readonly measurements = new Map<string, Measurement>()
  /** By name. Kept for the list of hosts: going through 1,000,000 series takes 0.2 s. */
  readonly hosts = new Map<string, StoredHost>()
  /** Since the start, over all measurements. */
  rowsAppended = 0
  #plans = new WeakMap<Series, Plan>()
  #nextMeasurement = 1
  #nextSeries = 1
  #seriesCount = 0

  /** Where the samples of a series go, or why the store has no room for them. */
  plan(series: Series): Plan | Refusal {
    const known = this.#plans.get(series)
    if (known !== undefined) return known
    let measurement = this.measurements.get(series.measurement)
    if (measurement === undefined) {
      if (this.measurements.size >= MAX_MEASUREMENTS) {
        return refused(`${MAX_MEASUREMENTS} measurements are stored; new: ${quote(series.measurement)}`)
      }
      measurement = this.addMeasurement(series.measurement, this.#nextMeasurement)
    }
    const tags = JSON.stringify(series.tags)
    let stored = measurement.series.get(tags)
    if (stored === undefined) {
      if (this.#seriesCount >= MAX_SERIES) {
        return {
          reason: 'too_many_series',
          detail: `${MAX_SERIES} series are stored; new: ${quote(series.measurement)}`,
        }
      }
      stored = this.addSeries(measurement, tags, this.#nextSeries)
    }
    const plan: Plan = { series: stored, fields: [] }
    this.#plans.set(series, plan)
    return plan
  }

  /** Whether a measurement has a table of a day before `firstDay`. */
  hasDaysBefore(firstDay: number): boolean {
    for (const { days } of this.measurements.values()) for (const day of days.keys()) if (day < firstDay) return true
    return false
  }

  /**
   * Forgets the tables of days before `firstDay`, and the series and measurements that no later sample has used.
   *
   * @returns what to delete from the file
   */
  forget(firstDay: number): { tables: string[]; series: number[]; measurements: number[] } {
    const gone = { tables: [] as string[], series: [] as number[], measurements: [] as number[] }
    for (const measurement of this.measurements.values()) {
      for (const [day, table] of measurement.days) {
        if (day >= firstDay) continue
        gone.tables.push(table.name, ...table.parts.map(({ name }) => name))
        measurement.days.delete(day)
      }
      for (const [tags, series] of measurement.series) {
        if (series.day >= firstDay) continue
        gone.series.push(series.id)
        measurement.series.delete(tags)
        this.#seriesCount--
        this.#leaveHost(series)
      }
      if (measurement.series.size > 0) continue
      gone.measurements.push(measurement.id)
      this.measurements.delete(measurement.name)
    }
    this.#plans = new WeakMap()
    return gone
  }

  addMeasurement(name: string, id: number): Measurement {
    const measurement: Measurement = {
      ...{ id, name, stored: false, nextField: 1 },
      ...{ fields: new Map(), days: new Map(), series: new Map() },
    }
    this.measurements.set(name, measurement)
    this.#nextMeasurement = Math.max(this.#nextMeasurement, id + 1)
    return measurement
  }

  addSeries(measurement: Measurement, tags: string, id: number): StoredSeries {
    const parsed = JSON.parse(tags) as Tag[]
    const series: StoredSeries = {
      ...{ id, host: this.#joinHost(parsed), measurement, tags: parsed, stored: false },
      ...{ newestAt: -Infinity, lastAt: -Infinity, lastTie: 0, day: -Infinity },
    }
    measurement.series.set(tags, series)
    this.#nextSeries = Math.max(this.#nextSeries, id + 1)
    this.#seriesCount++
    return series
  }

  #joinHost(tags: readonly Tag[]): StoredHost | undefined {
    const name = tags.find(([key]) => key === 'host')?.[1]
    if (name === undefined || name === '') return undefined
    const host = this.hosts.get(name) ?? { series: 0, newestAt: -Infinity }
    this.hosts.set(name, host)
    host.series++
    return host
  }

  #leaveHost({ host, tags }: StoredSeries): void {
    if (host === undefined || --host.series > 0) return
    this.hosts.delete(tags.find(([key]) => key === 'host')![1])
  }
}

/** Records that the file has a sample of the series with this time. */
export function noteNewest(series: StoredSeries, at: number): void {
  if (at > series.newestAt) series.newestAt = at
  if (series.host !== undefined && at > series.host.newestAt) series.host.newestAt = at
}

/** The field of a measurement. Its kind is the first one that came, which may not be `kind`. */
export function fieldOf(measurement: Measurement, name: string, kind: FieldKind): Field | Refusal {
  const known = measurement.fields.get(name)
  if (known !== undefined) return known
  if (measurement.fields.size >= MAX_FIELDS) {
    return refused(`${MAX_FIELDS} fields of ${quote(measurement.name)} are stored; new: ${quote(name)}`)
  }
  return addField(measurement, name, kind, measurement.nextField)
}

/** Adds a field that the measurement does not have. */
export function addField(measurement: Measurement, name: string, kind: FieldKind, id: number): Field {
  const field: Field = { id, name, kind, column: `f${id}`, stored: false }
  measurement.fields.set(name, field)
  measurement.nextField = Math.max(measurement.nextField, id + 1)
  return field
}

/** Records that the file has a sample of the series. */
export function noteStored(series: StoredSeries, timeNs: bigint): void {
  const tie = Number(((timeNs % 1000n) + 1000n) % 1000n)
  const at = Number((timeNs - BigInt(tie)) / 1000n)
  if (at < series.lastAt || (at === series.lastAt && tie <= series.lastTie)) return
  noteNewest(series, at)
  series.lastAt = at
  series.lastTie = tie
  series.day = Math.floor(at / DAY_US)
}

function refused(detail: string): Refusal {
  return { reason: 'store_refused', detail }
}
