import { BIGINT, type DuckDBConnection } from '@duckdb/node-api'
import { exactNumber } from '../../sample/value.ts'
import {
  type Aggregate,
  bySeries,
  type HistoryPoint,
  type HistoryQuery,
  type HistorySeries,
  type KnownHost,
  MAX_HISTORY_POINTS,
  StoreError,
  type StoreReader,
  tooManyPoints,
} from '../store.ts'
import { type Catalogue, DAY_US, type DayTable, type Field, type Measurement, type StoredSeries } from './catalogue.ts'
import type { Lane } from './lane.ts'
import { queryAborted, queryFailed, tooManyQueries } from './problem.ts'

/** Queries run one after the other. With more waiting, the answers would come too late to be useful. */
const MAX_WAITING = 64

/** How soon a query ends after its signal. */
const INTERRUPT_EVERY_MS = 50

/** Reads the tables of samples, one query at a time. A slow query delays other queries, never the writer. */
export class DuckDbReader implements StoreReader {
  readonly #catalogue: Catalogue
  readonly #connection: DuckDBConnection
  readonly #lane: Lane
  readonly #probes: DuckDBConnection

  /** @param options.probes a connection of its own, so that a probe does not wait for a slow query */
  constructor(options: { catalogue: Catalogue; connection: DuckDBConnection; lane: Lane; probes: DuckDBConnection }) {
    this.#catalogue = options.catalogue
    this.#connection = options.connection
    this.#lane = options.lane
    this.#probes = options.probes
  }

  async hosts(sinceUs: number, signal: AbortSignal): Promise<KnownHost[]> {
    if (signal.aborted) throw queryAborted()
    const found: KnownHost[] = []
    for (const [host, { newestAt }] of this.#catalogue.hosts) {
      if (newestAt >= sinceUs) found.push({ host, lastSeenAt: newestAt })
    }
    return found
  }

  async hasHost(host: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) throw queryAborted()
    return (this.#catalogue.hosts.get(host)?.newestAt ?? -Infinity) > -Infinity
  }

  history(query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]> {
    if (this.#lane.waiting >= MAX_WAITING) {
      return Promise.reject(tooManyQueries(MAX_WAITING))
    }
    return this.#lane.run(async () => {
      if (signal.aborted) throw queryAborted()
      // Repeated, because DuckDB ignores an interrupt between two statements.
      const interrupting = setInterval(() => signal.aborted && this.#connection.interrupt(), INTERRUPT_EVERY_MS)
      try {
        const found: HistorySeries[] = []
        let points = 0
        for (const name of query.fields) {
          for (const series of await this.#historyOf(name, query, signal)) {
            points += series.points.length
            found.push(series)
          }
          if (points > MAX_HISTORY_POINTS) throw tooManyPoints(MAX_HISTORY_POINTS)
        }
        return found
      } catch (cause) {
        if (cause instanceof StoreError) throw cause
        if (signal.aborted) throw queryAborted()
        throw queryFailed(cause)
      } finally {
        clearInterval(interrupting)
      }
    })
  }

  async probe(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw queryAborted()
    try {
      await this.#probes.run('SELECT 1')
    } catch (cause) {
      throw queryFailed(cause)
    }
  }

  /** Waits for the query in flight. The connection belongs to its opener. */
  async close(): Promise<void> {
    await this.#lane.run(async () => undefined)
  }

  async #historyOf(name: string, query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]> {
    const measurement = this.#catalogue.measurements.get(query.measurement)
    const field = measurement?.fields.get(name)
    if (measurement === undefined || field === undefined || !hasAggregate(field, query.aggregate)) return []
    const tables = tablesOf(measurement, field, query)
    const series = matching(measurement, Object.entries(query.tags))
    if (tables.length === 0 || series.size === 0) return []
    const only = series.size < measurement.series.size ? series : undefined
    const values = [query.startUs, query.endUs, query.everyUs].map((us) => BigInt(us) * 1000n)
    const merged = countMerged(tables)
    const sql = historySql(field, tables, only, query.aggregate)
    const answer = await this.#connection.runAndReadUntil(sql, MAX_HISTORY_POINTS + 1, values, [BIGINT, BIGINT, BIGINT])
    if (signal.aborted) throw queryAborted()
    // A table got its first repeats after the query was built. They may have been counted twice, so the query runs again.
    if (countMerged(tables) > merged) return this.#historyOf(name, query, signal)
    return toHistory(name, series, answer.getColumns() as AnswerColumns)
  }
}

/** Whether InfluxQL supports the aggregate for the kind of the field. */
function hasAggregate({ kind }: Field, aggregate: Aggregate): boolean {
  if (kind === 'string') return false
  return kind !== 'bool' || aggregate === 'min' || aggregate === 'max' || aggregate === 'last'
}

/** The tables in the range that have the field's column. */
function tablesOf(measurement: Measurement, field: Field, { startUs, endUs }: HistoryQuery): DayTable[] {
  const found: DayTable[] = []
  for (const [day, table] of measurement.days) {
    const begins = day * DAY_US
    if (begins < endUs && begins + DAY_US > startUs && table.columns.includes(field)) found.push(table)
  }
  return found
}

function matching(measurement: Measurement, tags: ReadonlyArray<[string, string]>): Map<number, StoredSeries> {
  const found = new Map<number, StoredSeries>()
  for (const series of measurement.series.values()) {
    if (tags.every(([key, value]) => tag(series, key) === value)) found.set(series.id, series)
  }
  return found
}

function countMerged(tables: readonly DayTable[]): number {
  return tables.filter(({ repeats }) => repeats).length
}

/** Series id, start of the bucket and value; ordered by series id. */
type AnswerColumns = [ids?: number[], buckets?: number[], values?: Array<number | bigint>]

function toHistory(field: string, series: ReadonlyMap<number, StoredSeries>, answer: AnswerColumns): HistorySeries[] {
  const [ids = [], buckets = [], values = []] = answer
  const found = new Map<number, { tags: Record<string, string>; field: string; points: HistoryPoint[] }>()
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    const of = series.get(id)
    const read = values[i]!
    const value = typeof read === 'bigint' ? exactNumber(String(read)) : read
    // A sum of huge floats can exceed the largest double. There is no mean then, and JSON cannot express infinity.
    if (of === undefined || (typeof value === 'number' && !Number.isFinite(value))) continue
    let entry = found.get(id)
    if (entry === undefined) {
      entry = { tags: Object.fromEntries(of.tags), field, points: [] }
      found.set(id, entry)
    }
    entry.points.push([buckets[i]!, value])
  }
  return [...found.values()].sort(bySeries)
}

/** The value of a tag; '' if the series does not have the tag, as in InfluxQL. */
function tag({ tags }: StoredSeries, key: string): string {
  for (const [k, v] of tags) if (k === key) return v
  return ''
}

const AGGREGATES = {
  mean: 'avg(v)',
  min: 'min(v)',
  max: 'max(v)',
  last: 'arg_max(v, time_ns)',
} as const satisfies Partial<Record<Aggregate, string>>

const PERCENTS = { p50: 50, p90: 90, p99: 99 } as const

/**
 * Selects (series, start of the bucket in µs, value), ordered by series and bucket. Parameters in ns: $1 start, $2 end, $3 width of a
 * bucket. All names in it are generated, none comes from outside.
 *
 * @param only the series to read; undefined for all
 */
function historySql(
  field: Field,
  tables: readonly DayTable[],
  only: ReadonlyMap<number, unknown> | undefined,
  aggregate: Aggregate,
): string {
  // An integer remainder has the sign of its dividend, so before 1970 the bucket starts one width lower.
  const bucket = 'time_ns - time_ns % $3 - CASE WHEN time_ns % $3 < 0 THEN $3 ELSE 0 END'
  const values = `SELECT series, ${bucket} AS bucket, time_ns, v FROM (${tables.map(rowsOf).join(' UNION ALL ')})`
  // Only an integer that is one of the stored values keeps its type, because a double would round it beyond 2^53.
  const isExact = (field.kind === 'int' || field.kind === 'uint') && aggregate !== 'mean'
  const answer = (value: string): string =>
    `SELECT series, CAST(bucket // 1000 AS DOUBLE) AS at, ${isExact ? value : `CAST(${value} AS DOUBLE)`} AS value`
  const order = 'ORDER BY series, bucket'
  if (aggregate in AGGREGATES) {
    const value = AGGREGATES[aggregate as keyof typeof AGGREGATES]
    return `${answer(value)} FROM (${values}) GROUP BY series, bucket ${order}`
  }
  // InfluxQL's rank, floor(n · p / 100 + 0.5), in integers; DuckDB's quantile_disc uses another. A window spills to disk when it exceeds
  // the memory limit; a list of the values does not.
  const percent = PERCENTS[aggregate as keyof typeof PERCENTS]
  const part = 'PARTITION BY series, bucket'
  const ranks = `row_number() OVER (${part} ORDER BY v) AS rank, count(*) OVER (${part}) AS n`
  const ranked = `SELECT series, bucket, v, ${ranks} FROM (${values})`
  return `${answer('v')} FROM (${ranked}) WHERE rank = (n * ${percent} + 50) // 100 ${order}`

  function rowsOf({ name, repeats }: DayTable): string {
    const value = field.kind === 'bool' ? `CAST(${field.column} AS TINYINT)` : field.column
    const chosen = only === undefined ? '' : ` AND series IN (${[...only.keys()].join(', ')})`
    const where = `WHERE time_ns >= $1 AND time_ns < $2 AND ${field.column} IS NOT NULL${chosen}`
    // Merging costs ten times as much as reading, and memory for every row. Only tables with repeats need it.
    return repeats
      ? `SELECT series, time_ns, arg_max(${value}, rowid) AS v FROM ${name} ${where} GROUP BY series, time_ns`
      : `SELECT series, time_ns, ${value} AS v FROM ${name} ${where}`
  }
}
