import type { FieldKind, FieldValue } from '../../sample/value.ts'
import { bySeries, type RowsQuery, type StoredRow } from '../store.ts'
import type { Param, Rows } from './influxql.ts'

/** A statement with its bound parameters. */
export interface Statement {
  readonly text: string
  readonly params: Readonly<Record<string, Param>>
}

/** Rows of each series: `LIMIT` counts for each. */
export function rowsStatement(query: RowsQuery): Statement {
  const params: Record<string, Param> = { measurement: { identifier: query.measurement }, ...rangeParams(query) }
  const selected = query.fields?.map((field, n) => {
    params[`field${n}`] = { identifier: field }
    return `$field${n}::field`
  })
  const conditions = ['time >= $start', 'time < $end', ...tagConditions(query.tags, params)]
  const order = query.first === 'newest' ? 'DESC' : 'ASC'
  return {
    text: `SELECT ${selected?.join(', ') ?? '*::field'} FROM $measurement WHERE ${conditions.join(' AND ')} GROUP BY * ORDER BY time ${order} LIMIT ${query.limit}`,
    params,
  }
}

/** Binds tags that all must match. @returns the conditions */
export function tagConditions(tags: Readonly<Record<string, string>>, params: Record<string, Param>): string[] {
  return Object.entries(tags).map(([key, value], n) => {
    params[`key${n}`] = { identifier: key }
    params[`value${n}`] = value
    return `$key${n}::tag = $value${n}`
  })
}

export function rangeParams({ startUs, endUs }: Pick<RowsQuery, 'startUs' | 'endUs'>): Record<string, Param> {
  return { start: nanoseconds(startUs), end: nanoseconds(endUs) }
}

export function nanoseconds(us: number): { integer: bigint } {
  return { integer: BigInt(us) * 1000n }
}

/** InfluxDB gives each series all tag keys of its measurement, with '' for those that the series does not have. */
export function withoutEmpty(tags: Rows['tags']): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== ''))
}

/** The rows of an answer in the order of a query. */
export function storedRows(answer: readonly Rows[], first: RowsQuery['first']): StoredRow[] {
  const series = answer.map((rows) => ({ ...rows, tags: withoutEmpty(rows.tags) })).sort(bySeries)
  const rows = series.flatMap(({ tags, columns, values }) => values.map((row) => storedRow(tags, columns, row)))
  return rows.sort(first === 'newest' ? (a, b) => b.at - a.at : (a, b) => a.at - b.at)
}

function storedRow(tags: StoredRow['tags'], columns: readonly string[], [at, ...read]: unknown[]): StoredRow {
  const values = new Map<string, FieldValue>()
  for (const [i, value] of read.entries()) {
    if (value !== null) values.set(columns[i + 1]!, Array.isArray(value) ? BigInt(value[0]) : (value as FieldValue))
  }
  return { tags, at: Number(at), values }
}

const KINDS: Readonly<Record<string, FieldKind>> = {
  float: 'float',
  integer: 'int',
  unsigned: 'uint',
  boolean: 'bool',
  string: 'string',
}

/** Of `SHOW FIELD KEYS`. A field that has several kinds, in files of several days, has the first. */
export function kindsOf(answer: readonly Rows[]): Map<string, FieldKind> {
  const kinds = new Map<string, FieldKind>()
  for (const [name, type] of answer.flatMap(({ values }) => values)) {
    const kind = KINDS[String(type)]
    if (kind !== undefined && !kinds.has(String(name))) kinds.set(String(name), kind)
  }
  return kinds
}
