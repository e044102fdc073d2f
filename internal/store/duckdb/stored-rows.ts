import { BIGINT, type DuckDBConnection, type DuckDBValue } from '@duckdb/node-api'
import type { FieldValue } from '../../sample/value.ts'
import { bySeries, type NewestQuery, type RowsQuery, type StoredRow } from '../store.ts'
import { type Catalogue, DAY_US, type DayTable, type Field, type StoredSeries } from './catalogue.ts'
import { countMerged, daysOf, matching, ofSeries, selectFrom } from './day-sql.ts'
import { queryAborted } from './problem.ts'

/** A row with the place of its series among all that were asked for. */
interface Found {
  readonly place: number
  readonly row: StoredRow
}

/** Reads samples as they were stored. */
export class StoredRows {
  readonly #catalogue: Catalogue
  readonly #connection: DuckDBConnection

  constructor(catalogue: Catalogue, connection: DuckDBConnection) {
    this.#catalogue = catalogue
    this.#connection = connection
  }

  /** Day by day, until there are enough. */
  async rows(query: RowsQuery, signal: AbortSignal): Promise<StoredRow[]> {
    const measurement = this.#catalogue.measurements.get(query.measurement)
    if (measurement === undefined) return []
    const fields = query.fields?.flatMap((name) => measurement.fields.get(name) ?? []) ?? [
      ...measurement.fields.values(),
    ]
    const series = matching(measurement, Object.entries(query.tags))
    if (fields.length === 0 || series.size === 0) return []
    const order = query.first === 'newest' ? -1 : 1
    const days = daysOf(measurement, fields, query).sort((a, b) => order * (a.day - b.day))
    const only = series.size < measurement.series.size ? series : undefined
    const range = [query.startUs, query.endUs].map((us) => BigInt(us) * 1000n)
    // Those of one µs come by their tags, which DuckDB does not know: one more of each series, and the last µs is whole.
    const limit = query.limit + series.size
    const found: Found[] = []
    const places = placesOf(series)
    for (const { table } of days) {
      if (found.length >= query.limit) break
      const where = `time_ns >= $1 AND time_ns < $2${ofSeries(only)}`
      const sql = (): string =>
        `FROM (${selectFrom(table, fields, where)}) WHERE ${isThere(fields)} ORDER BY time_ns ${order < 0 ? 'DESC' : 'ASC'}, series LIMIT ${limit}`
      for (const row of await this.#read([table], sql, range, signal)) {
        const of = series.get(row[0] as number)
        if (of !== undefined) found.push({ place: places.get(of.id)!, row: storedRow(of, fields, row) })
      }
    }
    found.sort((a, b) => order * (a.row.at - b.row.at) || a.place - b.place)
    return found.slice(0, query.limit).map(({ row }) => row)
  }

  /** The catalogue knows when; only the values are read, of the days that have them. */
  async newest(query: NewestQuery, signal: AbortSignal): Promise<StoredRow[]> {
    const measurement = this.#catalogue.measurements.get(query.measurement)
    const all = [...(measurement?.series.values() ?? [])].filter(({ newestAt }) => newestAt >= query.sinceUs)
    if (measurement === undefined || !query.values) return all.map((one) => withoutValues(one))
    const byDay = new Map<number, StoredSeries[]>()
    for (const one of all) {
      const day = Math.floor(one.newestAt / DAY_US)
      const ofDay = byDay.get(day)
      if (ofDay === undefined) byDay.set(day, [one])
      else ofDay.push(one)
    }
    const fields = [...measurement.fields.values()]
    const found: StoredRow[] = []
    for (const [day, series] of byDay) {
      const table = measurement.days.get(day)
      if (table === undefined) continue
      const byId = new Map(series.map((one) => [one.id, one]))
      const since = series.reduce((least, { newestAt }) => Math.min(least, newestAt), Infinity)
      const sql = (): string =>
        `FROM (${selectFrom(table, fields, `time_ns >= $1${ofSeries(byId)}`)}) QUALIFY row_number() OVER (PARTITION BY series ORDER BY time_ns DESC) = 1`
      for (const row of await this.#read([table], sql, [BigInt(since) * 1000n], signal)) {
        const of = byId.get(row[0] as number)
        if (of !== undefined) found.push(storedRow(of, fields, row))
      }
    }
    return found
  }

  /** @param sql is made again where a table got its first repeats meanwhile, which may have been counted twice */
  async #read(
    tables: readonly DayTable[],
    sql: () => string,
    times: readonly bigint[],
    signal: AbortSignal,
  ): Promise<DuckDBValue[][]> {
    for (;;) {
      const merged = countMerged(tables)
      const answer = await this.#connection.runAndReadAll(sql(), [...times], Array(times.length).fill(BIGINT))
      if (signal.aborted) throw queryAborted()
      if (countMerged(tables) === merged) return answer.getRows()
    }
  }
}

function isThere(fields: readonly Field[]): string {
  return fields.map(({ column }) => `${column} IS NOT NULL`).join(' OR ')
}

/** By id: where a series stands in the order of `bySeries`. */
function placesOf(series: ReadonlyMap<number, StoredSeries>): Map<number, number> {
  const sorted = [...series.values()].map(({ id, tags }) => ({ id, tags: Object.fromEntries(tags) })).sort(bySeries)
  return new Map(sorted.map(({ id }, place) => [id, place]))
}

function withoutValues({ tags, newestAt }: StoredSeries): StoredRow {
  return { tags: Object.fromEntries(tags), at: newestAt, values: new Map() }
}

/** @param row series, time and the values of the fields */
function storedRow({ tags }: StoredSeries, fields: readonly Field[], row: readonly DuckDBValue[]): StoredRow {
  const values = new Map<string, FieldValue>()
  for (const [n, { name }] of fields.entries()) {
    const value = row[n + 2] as FieldValue | null
    if (value !== null) values.set(name, typeof value === 'bigint' ? exact(value) : value)
  }
  const timeNs = row[1] as bigint
  const at = (timeNs - (((timeNs % 1000n) + 1000n) % 1000n)) / 1000n
  return { tags: Object.fromEntries(tags), at: Number(at), values }
}

function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
