import type { FieldKind } from '../../sample/value.ts'
import {
  type Aggregate,
  bySeries,
  type HistoryPoint,
  type HistoryQuery,
  type HistorySeries,
  type KnownHost,
  type KnowsRetention,
  MAX_HISTORY_POINTS,
  type NewestQuery,
  type RowsQuery,
  StoreError,
  type StoredRow,
  type StoreReader,
  tooManyPoints,
} from '../store.ts'
import { InfluxQl, NotFiniteError, type Param, type Rows } from './influxql.ts'
import { influxError } from './problem.ts'
import { retentionOf } from './retention.ts'
import {
  kindsOf,
  nanoseconds,
  rangeParams,
  rowsStatement,
  storedRows,
  tagConditions,
  withoutEmpty,
} from './stored-rows.ts'
import type { InfluxTransport } from './transport.ts'

/** Rows of ten fields are 6 MB of JSON. */
const HOSTS_PER_REQUEST = 20_000
/** A row of 1,024 fields is at most 300 kB. */
const FEWEST_HOSTS = 100

export interface InfluxReaderOptions {
  /** Belongs to the reader, which closes it. */
  readonly transport: InfluxTransport
  /** The bucket, by name or id; on InfluxDB 1.x the database, or `database/policy`. */
  readonly bucket: string
  /** The most points of one `history`; a query that finds more is refused. Default 100,000. */
  readonly maxPoints?: number
}

/**
 * The expression of each aggregate. `::field` distinguishes a field from a tag of the same name. `::float` does too, and makes
 * a mean add up doubles: InfluxDB adds integers in 64 bits, so two of 2^63 − 1 would have the mean −1.
 */
const EXPRESSIONS: Readonly<Record<Aggregate, string>> = {
  mean: 'mean($field::float)',
  min: 'min($field::field)',
  max: 'max($field::field)',
  last: 'last($field::field)',
  p50: 'percentile($field::field, 50)',
  p90: 'percentile($field::field, 90)',
  p99: 'percentile($field::field, 99)',
}

/** Reads with InfluxQL, the one language that InfluxDB 1, 2 and 3 understand. */
export class InfluxReader implements StoreReader, KnowsRetention {
  #transport: InfluxTransport
  #bucket: string
  #maxPoints: number
  #influxQl: InfluxQl

  constructor({ transport, bucket, maxPoints = MAX_HISTORY_POINTS }: InfluxReaderOptions) {
    this.#transport = transport
    this.#bucket = bucket
    this.#maxPoints = maxPoints
    this.#influxQl = new InfluxQl({ transport, bucket, maxPoints })
  }

  /** Applies new settings to later queries. Queries in flight end at the old server. */
  reconfigure({ transport, bucket, maxPoints = MAX_HISTORY_POINTS }: InfluxReaderOptions): void {
    this.#transport.retire()
    this.#transport = transport
    this.#bucket = bucket
    this.#maxPoints = maxPoints
    this.#influxQl = new InfluxQl({ transport, bucket, maxPoints })
  }

  /**
   * Takes the newest row of each measurement and host. It selects every field, because a sample may have any of them. It asks for one
   * measurement after the other, because a statement over several sees only fields that have the same type in all. On 1.6 it takes
   * 0.15 s with 100 hosts of 17 series, and with 100,000 hosts 7 s for each measurement (measured).
   */
  async hosts(sinceUs: number, signal: AbortSignal): Promise<KnownHost[]> {
    const found = await this.#influxQl.select('SHOW MEASUREMENTS', {}, signal)
    // Of 2.7, nothing may also mean that there is no such bucket, or that the token may not read it.
    if (found.length === 0) await this.probe(signal)
    const newest = new Map<string, number>()
    for (const [measurement] of found.flatMap(({ values }) => values)) {
      for await (const { tags, values } of this.#newestRows(String(measurement), sinceUs, 'host', signal)) {
        const host = tags.host ?? ''
        const atUs = Number(values[0]?.[0])
        if (host !== '' && atUs > (newest.get(host) ?? -Infinity)) newest.set(host, atUs)
      }
    }
    return [...newest].map(([host, lastSeenAt]) => ({ host, lastSeenAt }))
  }

  /** Page by page: the rows of 100,000 hosts may be more than an answer may be long, and would stop this process for a second. */
  async *#newestRows(
    measurement: string,
    sinceUs: number,
    each: 'host' | '*',
    signal: AbortSignal,
  ): AsyncGenerator<Rows> {
    const params = { measurement: { identifier: measurement }, since: nanoseconds(sinceUs) }
    const newest = `SELECT *::field FROM $measurement WHERE time >= $since GROUP BY ${each} ORDER BY time DESC LIMIT 1`
    let hosts = HOSTS_PER_REQUEST
    for (let from = 0; ; ) {
      const page = await this.#influxQl
        .select(`${newest} SLIMIT ${hosts} SOFFSET ${from}`, params, signal)
        .catch(narrower)
      if (page === undefined) continue
      yield* page
      if (page.length < hosts) return
      from += hosts
    }

    /** Rows of many fields are long: a hundredth of them fits. */
    function narrower(error: unknown): undefined {
      if (!(error instanceof StoreError && error.kind === 'too_much') || hosts === FEWEST_HOSTS) throw error
      hosts = FEWEST_HOSTS
    }
  }

  /** The rows of one value; a bucket whose value is infinite is left out, and the others are not lost with it. */
  async #finite(statement: string, params: Readonly<Record<string, Param>>, signal: AbortSignal): Promise<Rows[]> {
    try {
      return await this.#influxQl.select(statement, params, signal, this.#maxPoints)
    } catch (error) {
      if (!(error instanceof NotFiniteError)) throw error
      // Infinity − infinity is NaN, which equals nothing. Not the first question, because a subquery takes longer.
      const finite = `SELECT value FROM (${statement}) WHERE value - value = 0 GROUP BY *`
      return this.#influxQl.select(finite, params, signal, this.#maxPoints)
    }
  }

  /** Asks the index, which takes 10 ms with 100,000 hosts (measured on 1.6). */
  async hasHost(host: string, signal: AbortSignal): Promise<boolean> {
    const found = await this.#influxQl.select('SHOW TAG VALUES WITH KEY = host WHERE host = $host', { host }, signal)
    return found.length > 0
  }

  /** Sends one request per field: an error (a mean of strings) would stop the statements after it in the same request. */
  async history(query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]> {
    const found = await Promise.all(query.fields.map((field) => this.#fieldHistory(field, query, signal)))
    const series = found.flat()
    const points = series.reduce((sum, one) => sum + one.points.length, 0)
    if (points > this.#maxPoints) throw tooManyPoints(this.#maxPoints)
    return series
  }

  async rows(query: RowsQuery, signal: AbortSignal): Promise<StoredRow[]> {
    if (query.measurement === '' || query.fields?.length === 0 || query.fields?.includes('')) return []
    const { text, params } = rowsStatement(query)
    return storedRows(await this.#influxQl.select(text, params, signal), query.first).slice(0, query.limit)
  }

  async newest({ measurement, sinceUs }: NewestQuery, signal: AbortSignal): Promise<StoredRow[]> {
    const found: Rows[] = []
    for await (const rows of this.#newestRows(measurement, sinceUs, '*', signal)) found.push(rows)
    return storedRows(found, 'newest')
  }

  async fieldKinds(measurement: string, signal: AbortSignal): Promise<ReadonlyMap<string, FieldKind>> {
    const params = { measurement: { identifier: measurement } }
    return kindsOf(await this.#influxQl.select('SHOW FIELD KEYS FROM $measurement', params, signal))
  }

  readonly writeParquet = undefined

  /**
   * Selects, because 2.7 answers `SHOW` with nothing, and no error, when the bucket is missing or the token may not read it. VictoriaMetrics
   * gives the same list of databases to every query; a row of samples has a time.
   */
  async probe(signal: AbortSignal): Promise<void> {
    const found = await this.#influxQl.select('SELECT * FROM sentinel_probe LIMIT 1', {}, signal)
    if (found.every(({ values }) => typeof values[0]?.[0] === 'number')) return
    const what = 'stores samples and answers no queries, as VictoriaMetrics does: history needs InfluxDB or DuckDB'
    throw influxError('refused', this.#transport.url, what)
  }

  retentionMs(signal: AbortSignal): Promise<number | undefined> {
    return retentionOf(this.#transport, this.#influxQl, this.#bucket, signal)
  }

  async close(): Promise<void> {
    this.#transport.close()
  }

  async #fieldHistory(field: string, query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]> {
    if (field === '' || query.measurement === '') return []
    const params: Record<string, Param> = {
      field: { identifier: field },
      measurement: { identifier: query.measurement },
      ...rangeParams(query),
      every: { duration: `${query.everyUs}u` },
    }
    const conditions = ['time >= $start', 'time < $end', ...tagConditions(query.tags, params)]
    const expression = `${EXPRESSIONS[query.aggregate]} AS value`
    const buckets = `SELECT ${expression} FROM $measurement WHERE ${conditions.join(' AND ')} GROUP BY time($every), * fill(none)`
    const rows = await this.#finite(buckets, params, signal)
    const series = rows.map(({ tags, values }) => ({ tags: withoutEmpty(tags), field, points: numbersOf(values) }))
    return series.filter(({ points }) => points.length > 0).sort(bySeries)
  }
}

/** The rows that have a number or a boolean; a boolean is 0 or 1. */
function numbersOf(values: Rows['values']): HistoryPoint[] {
  const points: HistoryPoint[] = []
  for (const [atUs, value] of values) {
    if (typeof value === 'number') points.push([Number(atUs), value])
    else if (typeof value === 'boolean') points.push([Number(atUs), value ? 1 : 0])
    else if (Array.isArray(value)) points.push([Number(atUs), String(value[0])])
  }
  return points
}
