import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { readLineRecord } from '../../format/line/record.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { Clock } from '../../time/clock.ts'
import type { Batch, StoreWriter, WriteLimits, WriteResult } from '../store.ts'
import { TableAppender } from './appender.ts'
import { type BatchOwner, type Group, RowBatch } from './batch.ts'
import { type Catalogue, DAY_US, type DayTable, type Field } from './catalogue.ts'
import { firstLine } from './database.ts'
import type { Lane } from './lane.ts'
import { addLines } from './record.ts'
import { addColumn, createTable, tableName } from './schema.ts'

const LIMITS: WriteLimits = { maxSamples: 50_000, maxBytes: 32 * 1024 * 1024, inFlight: 1 }

/** Released batches that are kept; the batcher has one open, one in flight and few that wait. */
const MAX_POOLED = 4

/** Appenders that are kept, of the tables written to last: a host has some twenty measurements. */
const MAX_APPENDERS = 64

const RETRY_AFTER_MS = 1000

/**
 * With less than this on the disk nothing is written. A batch and a checkpoint need some 64 MiB; one that finds no room
 * makes DuckDB give the whole database up until it is opened again (seen with 1.5.6), reading too.
 */
const MIN_FREE_BYTES = 128 * 1024 * 1024
const LOOK_AT_DISK_EVERY_US = 1_000_000

type Value = number | string | boolean

/**
 * Appends to a table after which the write-ahead log goes into the file. DuckDB does that by the log's length alone, and a start
 * after a kill replays some 6,000 appends a second, however small: 4 s for 14 MiB of them (measured).
 */
const MAX_APPENDS_IN_LOG = 4000

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
  readonly #minFreeBytes: number
  #diskLookedAtUs = -Infinity
  #appendsInLog = 0
  readonly #pool: RowBatch[] = []
  /** Of the samples that come back from records. */
  readonly #replayed = new SeriesTable()
  /** By table, the one used last at the end. */
  readonly #appenders = new Map<string, TableAppender>()

  constructor(options: {
    catalogue: Catalogue
    connection: DuckDBConnection
    lane: Lane
    clock: Clock
    retentionMs: number
    path: string
    minFreeBytes?: number | undefined
  }) {
    this.catalogue = options.catalogue
    this.#connection = options.connection
    this.#lane = options.lane
    this.#clock = options.clock
    this.#retentionUs = options.retentionMs * 1000
    this.#path = options.path
    this.#minFreeBytes = options.minFreeBytes ?? MIN_FREE_BYTES
  }

  openBatch(): RowBatch {
    const batch = this.#pool.pop() ?? new RowBatch(this)
    return batch.open(this.#oldestUs())
  }

  takeBack(batch: RowBatch): void {
    if (this.#pool.length < MAX_POOLED && !this.#pool.includes(batch)) this.#pool.push(batch)
  }

  batchOf(record: Buffer): RowBatch {
    const lines = readLineRecord(record)
    const limits = { ...LIMITS, maxSamples: lines.ends.length, maxBytes: Infinity }
    const batch = new RowBatch({ limits, catalogue: this.catalogue, takeBack: () => {} }).open(this.#oldestUs())
    addLines(batch, lines, this.#replayed)
    return batch
  }

  write(batch: Batch, signal: AbortSignal): Promise<WriteResult> {
    if (!(batch instanceof RowBatch)) throw new TypeError('a batch of another store')
    const result = this.#lane.run(async (): Promise<WriteResult> => {
      if (signal.aborted) return { next: 'retry', problem: 'given up before it began' }
      try {
        const problem = await this.#fullDisk()
        if (problem !== '') return { next: 'wait', problem, afterMs: RETRY_AFTER_MS }
        await this.#store(batch, signal)
        return { next: 'ack', rejected: [...batch.rejected] }
      } catch (error) {
        this.#discardAppenders()
        await this.#connection.run('ROLLBACK').catch(() => undefined)
        return failure(error)
      }
    })
    // Comes after this write and before the next, and does not hold up the ack.
    void this.#lane.run(() => this.#shortenLog())
    return result
  }

  async check(signal: AbortSignal): Promise<string> {
    try {
      if (signal.aborted) return 'given up before it began'
      await this.#lane.run(() => this.#connection.run('SELECT 1'))
      this.#diskLookedAtUs = -Infinity
      return await this.#fullDisk()
    } catch (error) {
      return failure(error).problem
    }
  }

  /** Waits for the write in flight. The connection stays with whoever opened it. */
  async close(): Promise<void> {
    await this.#lane.run(async () => this.#discardAppenders())
  }

  /** What to do about a disk that is nearly full; '' while there is room. */
  async #fullDisk(): Promise<string> {
    const now = this.#clock.now()
    if (now - this.#diskLookedAtUs < LOOK_AT_DISK_EVERY_US) return ''
    const { bavail, bsize } = await statfs(dirname(this.#path))
    const free = bavail * bsize
    if (free < this.#minFreeBytes) {
      return `only ${Math.floor(free / 2 ** 20)} MiB are free on the disk of ${this.#path}: make room there`
    }
    this.#diskLookedAtUs = now
    return ''
  }

  async #shortenLog(): Promise<void> {
    if (this.#appendsInLog < MAX_APPENDS_IN_LOG) return
    this.#appendsInLog = 0
    try {
      await this.#connection.run('CHECKPOINT')
    } catch {
      // The next write says what is wrong, and another checkpoint comes.
    }
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
      const { table, columns } = await this.#tableFor(group, changes)
      const appender = await this.#appenderFor(table, columns)
      const mayRepeat = await appender.append(batch.rows, group, signal)
      if (mayRepeat && !table.repeats) await this.#markRepeats(group, table)
    }
    await this.#connection.run('COMMIT')
    this.#appendsInLog += groups.length
    for (const change of changes) change()
    noteNewest(batch)
  }

  /** Puts into the file's catalogue what it does not know yet of this batch: measurements, fields, series. */
  async #storeNames(batch: RowBatch, groups: readonly Group[], changes: Change[]): Promise<void> {
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
    changes.push(() => {
      for (const named of found) named.stored = true
    })
  }

  /** The table of a group and all columns that it then has; made, or widened, in the transaction. */
  async #tableFor(group: Group, changes: Change[]): Promise<{ table: DayTable; columns: readonly Field[] }> {
    const { measurement, day, counts } = group
    const known = measurement.days.get(day)
    if (known === undefined) {
      const table = { name: tableName(measurement, day), columns: [...counts.keys()], repeats: false }
      await this.#connection.run(createTable(table.name, table.columns))
      await this.#insert('days', [[measurement.id, day, false]])
      changes.push(() => measurement.days.set(day, table))
      return { table, columns: table.columns }
    }
    const missing = [...counts.keys()].filter((field) => !known.columns.includes(field))
    if (missing.length === 0) return { table: known, columns: known.columns }
    for (const field of missing) await this.#connection.run(addColumn(known.name, field))
    const columns = [...known.columns, ...missing]
    changes.push(() => {
      known.columns = columns
    })
    return { table: known, columns }
  }

  async #appenderFor({ name }: DayTable, columns: readonly Field[]): Promise<TableAppender> {
    let appender = this.#appenders.get(name)
    this.#appenders.delete(name)
    if (appender !== undefined && appender.columns !== columns) {
      appender.discard()
      appender = undefined
    }
    appender ??= await TableAppender.open(this.#connection, name, columns)
    this.#appenders.set(name, appender)
    const [oldest] = this.#appenders
    if (oldest !== undefined && this.#appenders.size > MAX_APPENDERS) {
      this.#appenders.delete(oldest[0])
      oldest[1].discard()
    }
    return appender
  }

  #discardAppenders(): void {
    for (const appender of this.#appenders.values()) appender.discard()
    this.#appenders.clear()
  }

  /** In memory before it is in the file: no query may see the repeats and not know of them. */
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

/** What is in the file now counts for `hosts`. */
function noteNewest({ rows }: RowBatch): void {
  for (let row = 0; row < rows.count; row++) {
    const series = rows.series(row)
    const at = rows.at(row)
    if (at > series.newestAt) series.newestAt = at
  }
}

/**
 * The next action after a failed transaction: nothing of it is in the file, or all of it, which is then merged with the
 * next try.
 */
function failure(error: unknown): { next: 'retry' | 'wait'; problem: string; afterMs: number; cause: unknown } {
  const problem = firstLine(error)
  const outcome = { afterMs: RETRY_AFTER_MS, cause: error }
  if (/^FATAL|invalidated/i.test(problem))
    return { ...outcome, next: 'wait', problem: `restart the program: ${problem}` }
  return { ...outcome, next: 'retry', problem }
}
