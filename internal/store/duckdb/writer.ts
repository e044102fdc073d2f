import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Clock } from '../../observe/clock.ts'
import type { Batch, StoreWriter, WriteLimits, WriteResult } from '../store.ts'
import { appendRows } from './append.ts'
import { type BatchOwner, type Group, RowBatch } from './batch.ts'
import { type Catalogue, DAY_US, type DayTable, type Field, type StoredSeries } from './catalogue.ts'
import { firstLine } from './database.ts'
import type { Lane } from './lane.ts'
import { addColumn, createTable, tableName } from './schema.ts'

const LIMITS: WriteLimits = { maxSamples: 50_000, maxBytes: 32 * 1024 * 1024, inFlight: 1 }

/** Released batches that are kept; the batcher has one open, one in flight and few that wait. */
const MAX_POOLED = 4

const RETRY_AFTER_MS = 1000

/** With less than this on the disk `check` speaks up: a checkpoint may need twice the write-ahead log. */
const MIN_FREE_BYTES = 64 * 1024 * 1024

/** Something to be done in memory once the transaction has it in the file. */
type Change = () => void

/** Writes each batch in one transaction: after a kill it is in the file as a whole, or not at all. */
export class DuckDbWriter implements StoreWriter, BatchOwner {
  readonly limits = LIMITS
  readonly catalogue: Catalogue
  readonly #connection: DuckDBConnection
  readonly #lane: Lane
  readonly #clock: Clock
  readonly #retentionUs: number
  readonly #path: string
  readonly #pool: RowBatch[] = []

  constructor(options: {
    catalogue: Catalogue
    connection: DuckDBConnection
    lane: Lane
    clock: Clock
    retentionMs: number
    path: string
  }) {
    this.catalogue = options.catalogue
    this.#connection = options.connection
    this.#lane = options.lane
    this.#clock = options.clock
    this.#retentionUs = options.retentionMs * 1000
    this.#path = options.path
  }

  openBatch(): RowBatch {
    const batch = this.#pool.pop() ?? new RowBatch(this)
    return batch.open(this.#oldestUs())
  }

  takeBack(batch: RowBatch): void {
    if (this.#pool.length < MAX_POOLED && !this.#pool.includes(batch)) this.#pool.push(batch)
  }

  write(batch: Batch, signal: AbortSignal): Promise<WriteResult> {
    if (!(batch instanceof RowBatch)) throw new TypeError('a batch of another store')
    return this.#lane.run(async () => {
      if (signal.aborted) return { next: 'retry', problem: 'given up before it began' }
      try {
        await this.#store(batch, signal)
        return { next: 'ack', rejected: [...batch.rejected] }
      } catch (error) {
        await this.#connection.run('ROLLBACK').catch(() => undefined)
        return failure(error)
      }
    })
  }

  async check(signal: AbortSignal): Promise<string> {
    try {
      if (signal.aborted) return 'given up before it began'
      await this.#lane.run(() => this.#connection.run('SELECT 1'))
      const { bavail, bsize } = await statfs(dirname(this.#path))
      const free = bavail * bsize
      return free < MIN_FREE_BYTES ? `only ${Math.floor(free / 2 ** 20)} MiB are free for ${this.#path}: make room` : ''
    } catch (error) {
      return failure(error).problem
    }
  }

  /** Waits for the write in flight. The connection stays with whoever opened it. */
  async close(): Promise<void> {
    await this.#lane.run(async () => undefined)
  }

  #oldestUs(): number {
    return this.#clock.now() - this.#retentionUs
  }

  async #store(batch: RowBatch, signal: AbortSignal): Promise<void> {
    const firstDay = Math.floor(this.#oldestUs() / DAY_US)
    // A day that has passed out of retention since would only be dropped again.
    const groups = [...batch.groups.values()].filter(({ day }) => day >= firstDay).sort((a, b) => a.day - b.day)
    if (groups.length === 0) return
    const changes: Change[] = []
    await this.#connection.run('BEGIN')
    await this.#storeNames(batch, groups, changes)
    for (const group of groups) {
      const table = await this.#tableFor(group, changes)
      const mayRepeat = await appendRows(this.#connection, table, batch.rows, group, signal)
      if (mayRepeat && !table.repeats) {
        const { measurement, day } = group
        await this.#connection.run(
          `UPDATE days SET repeats = true WHERE measurement = ${measurement.id} AND day = ${day}`,
        )
        changes.push(() => {
          table.repeats = true
        })
      }
    }
    await this.#connection.run('COMMIT')
    for (const change of changes) change()
    noteNewest(batch)
  }

  /** Puts into the file's catalogue what it does not know yet of this batch: measurements, fields, series. */
  async #storeNames(batch: RowBatch, groups: readonly Group[], changes: Change[]): Promise<void> {
    const measurements = new Set<Group['measurement']>()
    const fields = new Map<Field, number>()
    const series = new Set<StoredSeries>()
    for (const { measurement, rows, counts } of groups) {
      if (!measurement.stored) measurements.add(measurement)
      for (const field of counts.keys()) if (!field.stored) fields.set(field, measurement.id)
      for (const row of rows) {
        const of = batch.rows.series(row)
        if (!of.stored) series.add(of)
      }
    }
    await this.#insert(
      'measurements',
      [...measurements].map(({ id, name }) => [id, name]),
    )
    await this.#insert('fields', [...fields].map(([{ id, name, kind }, measurement]) => [measurement, id, name, kind])) // biome-ignore format: one statement
    await this.#insert('series', [...series].map(({ id, measurement, tags }) => [id, measurement.id, JSON.stringify(tags)])) // biome-ignore format: one statement
    changes.push(() => {
      for (const stored of [...measurements, ...fields.keys(), ...series]) stored.stored = true
    })
  }

  /** The table of a group with all columns that it needs; made, or widened, in the transaction. */
  async #tableFor({ measurement, day, counts }: Group, changes: Change[]): Promise<DayTable> {
    const known = measurement.days.get(day)
    if (known === undefined) {
      const table = { name: tableName(measurement, day), columns: [...counts.keys()], repeats: false }
      await this.#connection.run(createTable(table.name, table.columns))
      await this.#insert('days', [[measurement.id, day, false]])
      changes.push(() => measurement.days.set(day, table))
      return table
    }
    const missing = [...counts.keys()].filter((field) => !known.columns.includes(field))
    if (missing.length === 0) return known
    for (const field of missing) await this.#connection.run(addColumn(known.name, field))
    const table = { ...known, columns: [...known.columns, ...missing] }
    changes.push(() => measurement.days.set(day, table))
    return table
  }

  async #insert(table: string, rows: ReadonlyArray<ReadonlyArray<number | string | boolean>>): Promise<void> {
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

/** What is in the file now counts for `hosts`. */
function noteNewest({ rows }: RowBatch): void {
  for (let row = 0; row < rows.count; row++) {
    const series = rows.series(row)
    const at = rows.at(row)
    if (at > series.newestAt) series.newestAt = at
  }
}

/** The next action after a failed transaction: nothing of it is in the file. */
function failure(error: unknown): { next: 'retry' | 'wait'; problem: string; afterMs: number; cause: unknown } {
  const problem = firstLine(error)
  const next = /no space left|out of disk|not enough disk|invalidated|read-only/i.test(problem) ? 'wait' : 'retry'
  return { next, problem, afterMs: RETRY_AFTER_MS, cause: error }
}
