import type { DuckDBConnection } from '@duckdb/node-api'
import type { FieldKind } from '../../sample/value.ts'
import type { ClockRecord } from './believed-clock.ts'
import {
  addField,
  Catalogue,
  type DayPart,
  type DayTable,
  type Field,
  type Measurement,
  noteStored,
} from './catalogue.ts'
import { unknownSchema } from './problem.ts'

const VERSION = 1
/** Of a file in which rows of a day are in several tables. A program that does not know them must not open it: it would miss samples. */
const VERSION_WITH_PARTS = 2
export const KNOWS_PARTS = `UPDATE sentinel_schema SET version = ${VERSION_WITH_PARTS}`

/** Names from outside are data in these tables. Tables and columns of samples are named by the ids. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sentinel_schema (version INTEGER);
  CREATE TABLE IF NOT EXISTS measurements (id INTEGER, name VARCHAR);
  CREATE TABLE IF NOT EXISTS fields (measurement INTEGER, id INTEGER, name VARCHAR, kind VARCHAR);
  CREATE TABLE IF NOT EXISTS series (id INTEGER, measurement INTEGER, tags VARCHAR);
  CREATE TABLE IF NOT EXISTS days (measurement INTEGER, day INTEGER, repeats BOOLEAN);
  CREATE TABLE IF NOT EXISTS clock (believed_us BIGINT, doubted_ms DOUBLE);
  INSERT INTO sentinel_schema SELECT ${VERSION} WHERE NOT EXISTS (FROM sentinel_schema);
`

/** Each type can hold every value of its kind exactly. */
const COLUMN_TYPES: Readonly<Record<FieldKind, string>> = {
  float: 'DOUBLE',
  int: 'BIGINT',
  uint: 'UBIGINT',
  bool: 'BOOLEAN',
  string: 'VARCHAR',
}

/** The table of a measurement and a day since the epoch; `b` stands for a minus sign. */
export function tableName(measurement: Measurement, day: number): string {
  return `samples_${measurement.id}_${day < 0 ? `b${-day}` : day}`
}

/** The table of the rows of a day that are sorted. */
export function sortedName({ name }: Pick<DayTable, 'name'>): string {
  return `${name}_sorted`
}

/** A table for rows of a day that are set apart, later than those before it. */
export function partName({ name, parts }: Pick<DayTable, 'name' | 'parts'>): string {
  const last = parts.findLast(({ sorted }) => !sorted)
  return `${name}_part${last === undefined ? 0 : Number(PART_NAME.exec(last.name)?.[2]) + 1}`
}

const PART_NAME = /^(samples_\d+_b?\d+)_(?:sorted|part(\d+))$/

/** Has no index and no key: with a key, one repeat would fail the whole append. Queries merge repeats instead. */
export function createTable(name: string, columns: readonly Field[]): string {
  const all = ['time_ns BIGINT NOT NULL', 'series INTEGER NOT NULL', ...columns.map(columnDefinition)]
  return `CREATE TABLE ${name} (${all.join(', ')})`
}

export function addColumn(table: string, field: Field): string {
  return `ALTER TABLE ${table} ADD COLUMN ${columnDefinition(field)}`
}

function columnDefinition(field: Field): string {
  return `${field.column} ${COLUMN_TYPES[field.kind]}`
}

/**
 * Reads the catalogue of a file, or prepares an empty file.
 *
 * @throws StoreError `refused` when the file has another version of the schema
 */
export async function loadCatalogue(connection: DuckDBConnection): Promise<Catalogue> {
  const rows = async (sql: string): Promise<unknown[][]> => (await connection.runAndReadAll(sql)).getRows()
  await connection.run(`BEGIN; ${SCHEMA} COMMIT`)
  const [version] = await rows('SELECT version FROM sentinel_schema')
  if (version?.[0] !== VERSION && version?.[0] !== VERSION_WITH_PARTS)
    throw unknownSchema(version?.[0], VERSION_WITH_PARTS)
  const catalogue = new Catalogue()
  const measurements = new Map<number, Measurement>()
  for (const [id, name] of (await rows('SELECT id, name FROM measurements')) as Array<[number, string]>) {
    const measurement = catalogue.addMeasurement(name, id)
    measurement.stored = true
    measurements.set(id, measurement)
  }
  const fields = await rows('SELECT measurement, id, name, kind FROM fields')
  for (const [measurement, id, name, kind] of fields as Array<[number, number, string, FieldKind]>) {
    addField(measurements.get(measurement)!, name, kind, id).stored = true
  }
  const series = await rows('SELECT measurement, id, tags FROM series')
  for (const [measurement, id, tags] of series as Array<[number, number, string]>) {
    catalogue.addSeries(measurements.get(measurement)!, tags, id).stored = true
  }
  const parts = await partNames(rows)
  const days = await rows('SELECT measurement, day, repeats FROM days')
  for (const [id, day, repeats] of days as Array<[number, number, boolean]>) {
    const measurement = measurements.get(id)!
    const name = tableName(measurement, day)
    const table: DayTable = {
      ...{ name, columns: await columnsOf(name, measurement, rows), repeats },
      rows: Number((await rows(`SELECT count(*) FROM ${name}`))[0]![0]),
      parts: await partsOf(parts.get(name) ?? [], measurement, rows),
    }
    measurement.days.set(day, table)
    const byId = new Map([...measurement.series.values()].map((one) => [one.id, one]))
    // 5 ms for a million rows: DuckDB reads only these two columns, which are compressed.
    for (const part of [...table.parts, table]) {
      const newest = await rows(`SELECT series, max(time_ns) FROM ${part.name} GROUP BY series`)
      for (const [of, timeNs] of newest as Array<[number, bigint]>) {
        const one = byId.get(of)
        if (one !== undefined) noteStored(one, timeNs)
      }
    }
  }
  return catalogue
}

interface PartName {
  readonly name: string
  /** -1 of the sorted rows, which are the oldest. */
  readonly number: number
}

/** By the table that they were a part of, in their order. */
async function partNames(rows: (sql: string) => Promise<unknown[][]>): Promise<ReadonlyMap<string, PartName[]>> {
  const parts = new Map<string, PartName[]>()
  for (const [name] of (await rows('SELECT table_name FROM duckdb_tables()')) as Array<[string]>) {
    const [, of, number = -1] = PART_NAME.exec(name) ?? []
    if (of === undefined) continue
    const part = { name, number: Number(number) }
    parts.set(
      of,
      [...(parts.get(of) ?? []), part].sort((a, b) => a.number - b.number),
    )
  }
  return parts
}

async function partsOf(
  names: readonly PartName[],
  measurement: Measurement,
  rows: (sql: string) => Promise<unknown[][]>,
): Promise<DayPart[]> {
  const parts: DayPart[] = []
  for (const { name, number } of names) {
    parts.push({ name, sorted: number < 0, columns: await columnsOf(name, measurement, rows) })
  }
  return parts
}

/** What the file remembers of the clock; undefined in a new file, and in one of an earlier version. */
export async function loadClock(connection: DuckDBConnection): Promise<ClockRecord | undefined> {
  const [row] = (await connection.runAndReadAll('SELECT believed_us, doubted_ms FROM clock')).getRows()
  return row && { believedUs: Number(row[0]), doubtedMs: Number(row[1]) }
}

export async function saveClock(connection: DuckDBConnection, { believedUs, doubtedMs }: ClockRecord): Promise<void> {
  await connection.run(`BEGIN; DELETE FROM clock; INSERT INTO clock VALUES (${believedUs}, ${doubtedMs}); COMMIT`)
}

async function columnsOf(
  table: string,
  measurement: Measurement,
  rows: (sql: string) => Promise<unknown[][]>,
): Promise<Field[]> {
  const byColumn = new Map([...measurement.fields.values()].map((field) => [field.column, field]))
  const described = (await rows(`DESCRIBE ${table}`)) as Array<[string]>
  return described.flatMap(([column]) => byColumn.get(column) ?? [])
}
