import { BIGINT, type DuckDBConnection } from '@duckdb/node-api'
import { exactNumber, type FieldKind } from '../../sample/value.ts'
import {
  bySeries,
  type HistoryPoint,
  type HistoryQuery,
  type HistorySeries,
  type KnownHost,
  MAX_HISTORY_POINTS,
  type NewestQuery,
  type ParquetQuery,
  type RowsQuery,
  StoreError,
  type StoredRow,
  type StoreReader,
  tooManyPoints,
} from '../store.ts'
import type { Catalogue, Field, StoredSeries } from './catalogue.ts'
import { countMerged, daysOf, matching } from './day-sql.ts'
import { firstBucketNs, hasAggregate, historySql } from './history-sql.ts'
import type { Lane } from './lane.ts'
import type { ParquetWriter } from './parquet.ts'
import { queryAborted, queryFailed, tooManyQueries } from './problem.ts'
import { StoredRows } from './stored-rows.ts'

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
  readonly #parquet: ParquetWriter
  readonly #storedRows: StoredRows

  /** @param options.probes a connection of its own, so that a probe does not wait for a slow query */
  constructor(options: {
    catalogue: Catalogue
    connection: DuckDBConnection
    lane: Lane
    probes: DuckDBConnection
    parquet: ParquetWriter
  }) {
    this.#catalogue = options.catalogue
    this.#connection = options.connection
    this.#lane = options.lane
    this.#probes = options.probes
    this.#parquet = options.parquet
    this.#storedRows = new StoredRows(options.catalogue, options.connection)
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
    return this.#ask(signal, async () => {
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
    })
  }

  rows(query: RowsQuery, signal: AbortSignal): Promise<StoredRow[]> {
    return this.#ask(signal, () => this.#storedRows.rows(query, signal))
  }

  newest(query: NewestQuery, signal: AbortSignal): Promise<StoredRow[]> {
    return this.#ask(signal, () => this.#storedRows.newest(query, signal))
  }

  async fieldKinds(measurement: string, signal: AbortSignal): Promise<ReadonlyMap<string, FieldKind>> {
    if (signal.aborted) throw queryAborted()
    const fields = this.#catalogue.measurements.get(measurement)?.fields ?? new Map<string, Field>()
    return new Map(Array.from(fields, ([name, { kind }]) => [name, kind]))
  }

  writeParquet(query: ParquetQuery, path: string, signal: AbortSignal): Promise<void> {
    return this.#parquet.write(query, path, signal)
  }

  /** One query at a time. */
  #ask<T>(signal: AbortSignal, question: () => Promise<T>): Promise<T> {
    if (this.#lane.waiting >= MAX_WAITING) {
      return Promise.reject(tooManyQueries(MAX_WAITING))
    }
    return this.#lane.run(async () => {
      if (signal.aborted) throw queryAborted()
      // Repeated, because DuckDB ignores an interrupt between two statements.
      const interrupting = setInterval(() => signal.aborted && this.#connection.interrupt(), INTERRUPT_EVERY_MS)
      try {
        return await question()
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
    const tables = daysOf(measurement, [field], query).map(({ table }) => table)
    const series = matching(measurement, Object.entries(query.tags))
    if (tables.length === 0 || series.size === 0) return []
    const only = series.size < measurement.series.size ? series : undefined
    const [start, every] = [nanoseconds(query.startUs), nanoseconds(query.everyUs)]
    const values = [start, nanoseconds(query.endUs), every, firstBucketNs(start, every)]
    const merged = countMerged(tables)
    const sql = historySql(field, tables, only, query.aggregate)
    const answer = await this.#connection.runAndReadUntil(sql, MAX_HISTORY_POINTS + 1, values, BIGINTS)
    if (signal.aborted) throw queryAborted()
    // A table got its first repeats after the query was built. They may have been counted twice, so the query runs again.
    if (countMerged(tables) > merged) return this.#historyOf(name, query, signal)
    return toHistory(name, series, answer.getColumns() as AnswerColumns)
  }
}

const BIGINTS = [BIGINT, BIGINT, BIGINT, BIGINT]

const nanoseconds = (us: number): bigint => BigInt(us) * 1000n

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
