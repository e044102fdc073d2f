import type { DuckDBConnection } from '@duckdb/node-api'
import type { Logger } from 'pino'
import type { Catalogue, DayPart, DayTable } from './catalogue.ts'
import type { Lane } from './lane.ts'
import { addColumn, createTable, KNOWS_PARTS, partName, sortedName } from './schema.ts'

/**
 * A table of so many cells is set apart and sorted: 512 MB, most of which waits on disk meanwhile. Of 1,000 series with 16 fields each second
 * it is an hour. The larger it is, the fewer places has the history of a series.
 */
const CELLS_PER_PART = 64_000_000
/** Few rows are found quickly in any order. */
const MIN_ROWS = 1_000_000
/** While more rows a second come, none are sorted: writing them needs the time. Their history takes longer then. */
const MAX_ROWS_PER_SECOND = 100_000
const LOOK_EVERY_MS = 10_000
/** After a failure, such as a full disk, the same would fail again soon. */
const PAUSE_MS = 600_000

export interface SorterOptions {
  readonly catalogue: Catalogue
  /** A connection of its own. */
  readonly connection: DuckDBConnection
  readonly sorts: Lane
  readonly queries: Lane
  readonly writes: Lane
  readonly logger: Logger
  /** Tables with fewer rows, or fewer cells, are left as they are. */
  readonly minRows?: number | undefined
  readonly minCells?: number | undefined
  /** So many are sorted at a time. */
  readonly sliceCells?: number | undefined
}

/**
 * Sorts the rows of a day by their series. They come second by second, a row of each series. One of 1,000 series has a row in each row group
 * then, and its history reads all. Where a table is large, its rows are set apart, sorted beside everything else, and put in their place.
 */
export class Sorter {
  readonly #options: SorterOptions
  #timer: NodeJS.Timeout | undefined
  #closed = false
  #rowsWere = 0
  #lookedAtMs = performance.now()
  #pausedUntilMs = 0

  constructor(options: SorterOptions) {
    this.#options = options
  }

  start(everyMs = LOOK_EVERY_MS): void {
    this.#timer = setInterval(() => {
      if (this.#options.sorts.waiting > 0 || this.#isBusy() || performance.now() < this.#pausedUntilMs) return
      this.sweep().catch((error: unknown) => {
        if (this.#closed) return
        this.#pausedUntilMs = performance.now() + PAUSE_MS
        this.#options.logger.warn({ err: error }, 'old samples could not be sorted: their history takes longer')
      })
    }, everyMs).unref()
  }

  /** Gives up what is being sorted, and waits until it has ended. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    const interrupting = setInterval(() => this.#options.connection.interrupt(), 50)
    await this.#options.sorts.run(async () => undefined).finally(() => clearInterval(interrupting))
  }

  /** Sorts whatever is large enough, one table after the other. */
  async sweep(): Promise<void> {
    const { catalogue, sorts } = this.#options
    await sorts.run(async () => {
      for (const measurement of catalogue.measurements.values()) {
        for (const table of measurement.days.values()) {
          if (this.#isLarge(table)) await this.#setApart(table)
          for (const part of table.parts) {
            if (!part.sorted && !this.#closed) await this.#sort(table, part)
          }
        }
      }
    })
  }

  #isLarge({ rows, columns }: DayTable): boolean {
    const { minRows = MIN_ROWS, minCells = CELLS_PER_PART } = this.#options
    return !this.#closed && rows >= minRows && rows * (columns.length + 2) >= minCells
  }

  async #countRows({ name }: DayPart): Promise<number> {
    const [[rows] = []] = (await this.#options.connection.runAndReadAll(`SELECT count(*) FROM ${name}`)).getRows()
    return Number(rows)
  }

  #isBusy(): boolean {
    const { rowsAppended } = this.#options.catalogue
    const seconds = (performance.now() - this.#lookedAtMs) / 1000
    const isBusy = rowsAppended - this.#rowsWere > seconds * MAX_ROWS_PER_SECOND
    this.#rowsWere = rowsAppended
    this.#lookedAtMs = performance.now()
    return isBusy
  }

  /** The rows get a table of their own, and those that come from now on another. It takes no longer than a small write. */
  async #setApart(table: DayTable): Promise<void> {
    const { connection, queries, writes } = this.#options
    await queries.run(() =>
      writes.run(async () => {
        const part: DayPart = {
          name: partName(table),
          columns: table.columns,
          sorted: false,
        }
        await this.#inTransaction(async () => {
          await connection.run(KNOWS_PARTS)
          await connection.run(`ALTER TABLE ${table.name} RENAME TO ${part.name}`)
          await connection.run(createTable(table.name, table.columns))
          await connection.run('COMMIT')
        })
        table.parts = [...table.parts, part]
        // Another array: an appender of the columns before belongs to the table before.
        table.columns = [...table.columns]
        table.rows = 0
      }),
    )
  }

  async #sort(table: DayTable, part: DayPart): Promise<void> {
    const { connection, queries, writes, logger } = this.#options
    const startedMs = performance.now()
    const before = table.parts.find(({ sorted }) => sorted)
    const sorted: DayPart = { name: sortedName(table), columns: part.columns, sorted: true }
    await this.#inTransaction(async () => {
      if (before === undefined) await connection.run(createTable(sorted.name, part.columns))
      const added = part.columns.filter((field) => before !== undefined && !before.columns.includes(field))
      for (const field of added) await connection.run(addColumn(sorted.name, field))
      const rows = await this.#countRows(part)
      const { sliceCells = CELLS_PER_PART } = this.#options
      const slice = Math.ceil(sliceCells / (part.columns.length + 2))
      // What could not be sorted in time is more than fits on the disk at once.
      for (let from = 0; from < rows; from += slice) {
        const of = rows > slice ? ` WHERE rowid >= ${from} AND rowid < ${from + slice}` : ''
        // Repeats stay in the order in which they were written: the later one counts.
        const order = 'ORDER BY series, time_ns, rowid'
        await connection.run(`INSERT INTO ${sorted.name} SELECT * FROM ${part.name}${of} ${order}`)
      }
      await queries.run(() =>
        writes.run(async () => {
          await connection.run(`DROP TABLE ${part.name}`)
          await connection.run('COMMIT')
          table.parts = [sorted, ...table.parts.filter((one) => one !== part && one !== before)]
        }),
      )
    })
    logger.debug({ table: sorted.name, ms: Math.round(performance.now() - startedMs) }, 'sorted samples by series')
  }

  /** @param job ends with a commit */
  async #inTransaction(job: () => Promise<void>): Promise<void> {
    const { connection } = this.#options
    await connection.run('BEGIN')
    try {
      await job()
    } catch (error) {
      await connection.run('ROLLBACK').catch(() => undefined)
      throw error
    }
  }
}
