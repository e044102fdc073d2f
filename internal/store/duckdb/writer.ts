import type { DuckDBConnection } from '@duckdb/node-api'
import { readLineRecord } from '../../format/line/record.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { Clock } from '../../time/clock.ts'
import type { Batch, StoreWriter, WriteLimits, WriteResult } from '../store.ts'
import { Appenders } from './appender.ts'
import { type BatchOwner, RowBatch } from './batch.ts'
import { type Catalogue, DAY_US, noteNewest } from './catalogue.ts'
import { FreeSpace } from './free-space.ts'
import type { Lane } from './lane.ts'
import { diskFull, writeFailure } from './problem.ts'
import { addLines } from './record.ts'
import { Transaction } from './transaction.ts'

const LIMITS: WriteLimits = { maxSamples: 50_000, maxBytes: 32 * 1024 * 1024, inFlight: 1, replays: 0 }

/** The most idle batches that are kept: the write queue has one open, one in flight and a few waiting. */
const MAX_POOLED = 4

/**
 * After this many appends to tables the write-ahead log is moved into the file. DuckDB itself looks only at the length
 * of the log. But a start after a kill replays about 6,000 appends a second, however small: 4 s for 14 MiB of them
 * (measured).
 */
const MAX_APPENDS_IN_LOG = 4000

export interface DuckDbWriterOptions {
  readonly catalogue: Catalogue
  readonly connection: DuckDBConnection
  readonly lane: Lane
  readonly clock: Clock
  /** Says which samples are beyond the retention. */
  readonly believed: Clock
  readonly retentionMs: number
  readonly path: string
  readonly minFreeBytes?: number | undefined
}

/** Writes each batch in one transaction: after a kill the file has all of it or nothing. */
export class DuckDbWriter implements StoreWriter, BatchOwner {
  readonly limits = LIMITS
  readonly catalogue: Catalogue
  readonly #connection: DuckDBConnection
  readonly #lane: Lane
  readonly #believed: Clock
  readonly #retentionUs: number
  readonly #freeSpace: FreeSpace
  readonly #appenders: Appenders
  readonly #pool: RowBatch[] = []
  /** Series of samples that come from records. */
  readonly #recordSeries = new SeriesTable()
  #appendsInLog = 0

  constructor(options: DuckDbWriterOptions) {
    this.catalogue = options.catalogue
    this.#connection = options.connection
    this.#lane = options.lane
    this.#believed = options.believed
    this.#retentionUs = options.retentionMs * 1000
    this.#freeSpace = new FreeSpace(options.path, options.clock, options.minFreeBytes)
    this.#appenders = new Appenders(options.connection)
  }

  openBatch(): RowBatch {
    const batch = this.#pool.pop() ?? new RowBatch(this)
    return batch.open(this.#oldestUs())
  }

  recycle(batch: RowBatch): void {
    if (this.#pool.length < MAX_POOLED && !this.#pool.includes(batch)) this.#pool.push(batch)
  }

  batchOf(record: Buffer): RowBatch {
    const lines = readLineRecord(record)
    const limits = { ...LIMITS, maxSamples: lines.ends.length, maxBytes: Infinity }
    const batch = new RowBatch({ limits, catalogue: this.catalogue, recycle: () => {} }).open(this.#oldestUs())
    addLines(batch, lines, this.#recordSeries)
    return batch
  }

  write(batch: Batch, signal: AbortSignal): Promise<WriteResult> {
    if (!(batch instanceof RowBatch)) throw new TypeError('a batch of another store')
    const result = this.#lane.run(() => this.#write(batch, signal))
    // Runs between this write and the next, and does not delay the ack.
    void this.#lane.run(() => this.#shortenLog())
    return result
  }

  async check(signal: AbortSignal): Promise<string> {
    try {
      if (signal.aborted) return 'stopped before it began'
      await this.#lane.run(() => this.#connection.run('SELECT 1'))
      return await this.#freeSpace.problemNow()
    } catch (error) {
      return writeFailure(error).problem
    }
  }

  /** Waits for the write in flight. The connection belongs to its opener. */
  async close(): Promise<void> {
    await this.#lane.run(async () => this.#appenders.discardAll())
  }

  async #write(batch: RowBatch, signal: AbortSignal): Promise<WriteResult> {
    if (signal.aborted) return { next: 'retry', problem: 'stopped before it began' }
    const transaction = new Transaction(this.#connection, this.#appenders)
    try {
      const problem = await this.#freeSpace.problem()
      if (problem !== '') return diskFull(problem)
      const firstDay = Math.floor(this.#oldestUs() / DAY_US)
      // A day may have left the retention since its samples were added. Retention would drop its table at once.
      const groups = [...batch.groups.values()].filter(({ day }) => day >= firstDay).sort((a, b) => a.day - b.day)
      if (groups.length > 0) {
        await transaction.run(batch, groups, signal)
        this.#appendsInLog += groups.length
        noteBatch(batch)
        this.catalogue.rowsAppended += batch.rows.count
      }
      return { next: 'ack', rejected: [...batch.rejected] }
    } catch (error) {
      await transaction.rollback()
      return writeFailure(error)
    }
  }

  async #shortenLog(): Promise<void> {
    if (this.#appendsInLog < MAX_APPENDS_IN_LOG) return
    this.#appendsInLog = 0
    try {
      await this.#connection.run('CHECKPOINT')
    } catch {
      // The next write reports what is wrong, and a later checkpoint tries again.
    }
  }

  #oldestUs(): number {
    return this.#believed.now() - this.#retentionUs
  }
}

/** Updates the newest time of each series, which `hosts` answers from. */
function noteBatch({ rows }: RowBatch): void {
  for (let row = 0; row < rows.count; row++) {
    noteNewest(rows.series(row), rows.at(row))
  }
}
