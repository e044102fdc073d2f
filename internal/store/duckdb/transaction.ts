import type { DuckDBConnection } from '@duckdb/node-api'
import type { Appenders } from './appender.ts'
import type { Group, RowBatch } from './batch.ts'
import type { DayTable, Field } from './catalogue.ts'
import { addColumn, createTable, tableName } from './schema.ts'

type Value = number | string | boolean

/** A change of the catalogue in memory, applied after the commit. */
type Change = () => void

/** Writes one batch: names that the file does not have yet, tables, columns and rows. */
export class Transaction {
  readonly #connection: DuckDBConnection
  readonly #appenders: Appenders
  readonly #changes: Change[] = []

  constructor(connection: DuckDBConnection, appenders: Appenders) {
    this.#connection = connection
    this.#appenders = appenders
  }

  /** Resolves after the commit. After a rejection `rollback` must be called. */
  async run(batch: RowBatch, groups: readonly Group[], signal: AbortSignal): Promise<void> {
    await this.#connection.run('BEGIN')
    await this.#storeNames(batch, groups)
    for (const group of groups) {
      const { table, columns } = await this.#tableFor(group)
      const appender = await this.#appenders.open(table.name, columns)
      const mayRepeat = await appender.append(batch.rows, group, signal)
      if (mayRepeat && !table.repeats) await this.#markRepeats(group, table)
      this.#changes.push(() => {
        table.rows += group.rows.length
      })
    }
    await this.#connection.run('COMMIT')
    for (const change of this.#changes) change()
  }

  async rollback(): Promise<void> {
    this.#appenders.discardAll()
    await this.#connection.run('ROLLBACK').catch(() => undefined)
  }

  /** Adds measurements, fields and series of the batch that the file does not know yet. */
  async #storeNames(batch: RowBatch, groups: readonly Group[]): Promise<void> {
    const found = new Set<{ stored: boolean }>()
    const isNew = (named: { stored: boolean }): boolean =>
      !named.stored && !found.has(named) && found.add(named) === found
    const measurements: Value[][] = []
    const fields: Value[][] = []
    const series: Value[][] = []
    for (const { measurement, rows, counts } of groups) {
      if (isNew(measurement)) measurements.push([measurement.id, measurement.name])
      for (const field of counts.keys()) {
        if (isNew(field)) fields.push([measurement.id, field.id, field.name, field.kind])
      }
      for (const row of rows) {
        const of = batch.rows.series(row)
        if (isNew(of)) series.push([of.id, measurement.id, JSON.stringify(of.tags)])
      }
    }
    await this.#insert('measurements', measurements)
    await this.#insert('fields', fields)
    await this.#insert('series', series)
    this.#changes.push(() => {
      for (const named of found) named.stored = true
    })
  }

  /** The table of a group, created or widened if necessary, and its columns after that. */
  async #tableFor(group: Group): Promise<{ table: DayTable; columns: readonly Field[] }> {
    const { measurement, day, counts } = group
    const known = measurement.days.get(day)
    if (known === undefined) {
      const table = {
        name: tableName(measurement, day),
        columns: [...counts.keys()],
        rows: 0,
        parts: [],
        repeats: false,
      }
      await this.#connection.run(createTable(table.name, table.columns))
      await this.#insert('days', [[measurement.id, day, false]])
      this.#changes.push(() => measurement.days.set(day, table))
      return { table, columns: table.columns }
    }
    const missing = [...counts.keys()].filter((field) => !known.columns.includes(field))
    if (missing.length === 0) return { table: known, columns: known.columns }
    for (const field of missing) await this.#connection.run(addColumn(known.name, field))
    const columns = [...known.columns, ...missing]
    this.#changes.push(() => {
      known.columns = columns
    })
    return { table: known, columns }
  }

  /** Sets the mark in memory before the file has it: a query must not see repeats without knowing of them. */
  async #markRepeats({ measurement, day }: Group, table: DayTable): Promise<void> {
    table.repeats = true
    const where = `measurement = ${measurement.id} AND day = ${day}`
    await this.#connection.run(`UPDATE days SET repeats = true WHERE ${where}`)
  }

  async #insert(table: string, rows: readonly Value[][]): Promise<void> {
    if (rows.length === 0) return
    const appender = await this.#connection.createAppender(table)
    for (const row of rows) {
      for (const value of row) {
        if (typeof value === 'number') appender.appendInteger(value)
        else if (typeof value === 'string') appender.appendVarchar(value)
        else appender.appendBoolean(value)
      }
      appender.endRow()
    }
    appender.closeSync()
  }
}
