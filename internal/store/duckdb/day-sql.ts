import type { DayTable, Field, Measurement, StoredSeries } from './catalogue.ts'
import { DAY_US } from './catalogue.ts'

/** A column as the values of a query have it: InfluxQL counts with booleans as 0 and 1. */
export type Value = (field: Field) => string

/** The values as they are stored. */
export const asStored: Value = ({ column }) => column

/** More rows than any table has: a part begins where the one before ends. */
const PART_ROWS = 2n ** 40n

/**
 * Selects `series`, `time_ns` and fields, by the names of their columns, of the rows of a day that meet a condition. A value that was
 * written again counts once, the later one. All names in it are generated, none comes from outside.
 */
export function selectFrom(table: DayTable, fields: readonly Field[], where: string, value: Value = asStored): string {
  const parts = [...table.parts, table]
  const from = ({ name, columns }: Pick<DayTable, 'name' | 'columns'>, more: string): string => {
    const values = fields.map((field) => `${columns.includes(field) ? value(field) : 'NULL'} AS ${field.column}`)
    return `SELECT ${['series', 'time_ns', ...values].join(', ')}${more} FROM ${name} WHERE ${where}`
  }
  const having = parts.filter(({ columns }) => fields.some((field) => columns.includes(field)))
  if (!table.repeats) return having.map((part) => from(part, '')).join(' UNION ALL ')
  // Merging costs ten times as much as reading, and memory for every row. Only days with repeats need it.
  const all = having.map((part, n) => from(part, `, rowid + ${PART_ROWS * BigInt(n)} AS written`)).join(' UNION ALL ')
  const newest = fields.map(({ column }) => `arg_max(${column}, written) AS ${column}`)
  return `SELECT ${['series', 'time_ns', ...newest].join(', ')} FROM (${all}) GROUP BY series, time_ns`
}

/** The condition that a row is of some series; '' for all. */
export function ofSeries(only: ReadonlyMap<number, unknown> | undefined): string {
  if (only === undefined) return ''
  return only.size === 1 ? ` AND series = ${[...only.keys()][0]}` : ` AND series IN (${[...only.keys()].join(', ')})`
}

/** The days in a range that have the column of one of some fields, in no order. */
export function daysOf(
  measurement: Measurement,
  fields: readonly Field[],
  { startUs, endUs }: { readonly startUs: number; readonly endUs: number },
): { day: number; table: DayTable }[] {
  const found: { day: number; table: DayTable }[] = []
  for (const [day, table] of measurement.days) {
    const begins = day * DAY_US
    const isIn = begins < endUs && begins + DAY_US > startUs
    if (isIn && fields.some((field) => table.columns.includes(field))) found.push({ day, table })
  }
  return found
}

/** The series that have some tags, by their ids. */
export function matching(
  measurement: Measurement,
  tags: ReadonlyArray<readonly [string, string]>,
): Map<number, StoredSeries> {
  const found = new Map<number, StoredSeries>()
  for (const series of measurement.series.values()) {
    if (tags.every(([key, value]) => tag(series, key) === value)) found.set(series.id, series)
  }
  return found
}

/** The value of a tag; '' if the series does not have the tag, as in InfluxQL. */
function tag({ tags }: StoredSeries, key: string): string {
  for (const [k, v] of tags) if (k === key) return v
  return ''
}

export function countMerged(tables: readonly DayTable[]): number {
  return tables.filter(({ repeats }) => repeats).length
}
