import type { Aggregate } from '../store.ts'
import type { DayTable, Field } from './catalogue.ts'
import { ofSeries, selectFrom } from './day-sql.ts'

/** Whether InfluxQL supports the aggregate for the kind of the field. */
export function hasAggregate({ kind }: Field, aggregate: Aggregate): boolean {
  if (kind === 'string') return false
  return kind !== 'bool' || aggregate === 'min' || aggregate === 'max' || aggregate === 'last'
}

const AGGREGATES = {
  mean: 'avg(v)',
  min: 'min(v)',
  max: 'max(v)',
  last: 'arg_max(v, time_ns)',
} as const satisfies Partial<Record<Aggregate, string>>

const PERCENTS = { p50: 50, p90: 90, p99: 99 } as const

/** The start of the bucket that a time is in, ns. Buckets count from 1970. */
export function firstBucketNs(startNs: bigint, everyNs: bigint): bigint {
  // A remainder has the sign of its dividend, so before 1970 the bucket starts one width lower.
  const into = startNs % everyNs
  return startNs - into - (into < 0n ? everyNs : 0n)
}

/**
 * Selects (series, start of the bucket in µs, value), ordered by series and bucket. Parameters in ns: $1 start, $2 end, $3 width of a
 * bucket, $4 start of the first bucket (see `firstBucketNs`). All names in it are generated, none comes from outside.
 *
 * @param only the series to read; undefined for all
 */
export function historySql(
  field: Field,
  tables: readonly DayTable[],
  only: ReadonlyMap<number, unknown> | undefined,
  aggregate: Aggregate,
): string {
  // One division a row: with a remainder and a comparison a day of one series took half as much CPU again.
  const bucket = '(time_ns - $4) // $3'
  const where = `time_ns >= $1 AND time_ns < $2 AND ${field.column} IS NOT NULL${ofSeries(only)}`
  const rows = tables.map((table) => selectFrom(table, [field], where, asNumber)).join(' UNION ALL ')
  const values = `SELECT series, ${bucket} AS bucket, time_ns, ${field.column} AS v FROM (${rows})`
  // Only an integer that is one of the stored values keeps its type, because a double would round it beyond 2^53.
  const isExact = (field.kind === 'int' || field.kind === 'uint') && aggregate !== 'mean'
  const answer = (value: string): string =>
    `SELECT series, CAST(($4 + bucket * $3) // 1000 AS DOUBLE) AS at, ${isExact ? value : `CAST(${value} AS DOUBLE)`} AS value`
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
}

function asNumber({ kind, column }: Field): string {
  return kind === 'bool' ? `CAST(${column} AS TINYINT)` : column
}
