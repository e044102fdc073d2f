import type { DuckDBConnection } from '@duckdb/node-api'
import type { Logger } from 'pino'
import type { Clock } from '../../time/clock.ts'
import type { BelievedClock } from './believed-clock.ts'
import { type Catalogue, DAY_US } from './catalogue.ts'
import type { Lane } from './lane.ts'
import { saveClock } from './schema.ts'

/** Drops the tables of days beyond the retention. The file reuses their space. */
export class Retention {
  readonly #options: RetentionOptions
  #timer: NodeJS.Timeout | undefined
  #problemWas = ''

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  /** Sweeps periodically until `stop`. A failed sweep is logged. */
  start(everyMs: number): void {
    this.#timer = setInterval(() => {
      this.sweep().catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'old samples could not be dropped: the next start drops them')
      })
    }, everyMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Why days are kept that the clock says are too old, or why the clock is wrong, in words; '' otherwise. */
  get problem(): string {
    const { believed, clock, catalogue } = this.#options
    const isAhead = clock.now() > believed.now()
    return isAhead && !catalogue.hasDaysBefore(this.#firstDay(clock)) ? '' : believed.problem
  }

  /** Drops every day that ended before the retention began. Waits for queries first, because they may read those tables, and for a sort. */
  async sweep(): Promise<void> {
    const { catalogue, connection, sorts, queries, writes, believed, logger } = this.#options
    believed.check()
    this.#sayProblem()
    const alone = (job: () => Promise<void>): Promise<void> => sorts.run(() => queries.run(() => writes.run(job)))
    await alone(async () => {
      await saveClock(connection, believed.record)
      const firstDay = this.#firstDay(believed)
      const gone = catalogue.forget(firstDay)
      const { tables, series, measurements } = gone
      if (tables.length + series.length + measurements.length === 0) return
      const statements = [
        ...tables.map((table) => `DROP TABLE IF EXISTS ${table}`),
        `DELETE FROM days WHERE day < ${firstDay}`,
        ...deletions('series', 'id', series),
        ...deletions('fields', 'measurement', measurements),
        ...deletions('measurements', 'id', measurements),
      ]
      try {
        await connection.run(`BEGIN; ${statements.join('; ')}; COMMIT`)
      } catch (error) {
        // The catalogue has forgotten the tables. They keep their space until the next start finds and drops them.
        await connection.run('ROLLBACK').catch(() => undefined)
        throw error
      }
      // Frees the blocks of the tables for new ones.
      await connection.run('CHECKPOINT')
      logger.info({ tables: tables.length, series: series.length }, 'dropped the samples of days beyond the retention')
    })
  }

  #firstDay(clock: Clock): number {
    return Math.floor((clock.now() - this.#options.retentionMs * 1000) / DAY_US)
  }

  #sayProblem(): void {
    const { logger } = this.#options
    const { problem } = this
    if (problem !== '' && this.#problemWas === '') {
      logger.warn(
        { problem },
        'no old samples are dropped: set the clock; otherwise it is believed after a day of running',
      )
    }
    if (problem === '' && this.#problemWas !== '') logger.info('old samples are dropped again: the clock is believed')
    this.#problemWas = problem
  }
}

export interface RetentionOptions {
  readonly catalogue: Catalogue
  /** The writer's connection: a sweep runs between two writes. */
  readonly connection: DuckDBConnection
  readonly sorts: Lane
  readonly queries: Lane
  readonly writes: Lane
  readonly clock: Clock
  /** The same clock, as far as it is believed. */
  readonly believed: BelievedClock
  readonly retentionMs: number
  readonly logger: Logger
}

function deletions(table: string, column: string, ids: readonly number[]): string[] {
  return ids.length === 0 ? [] : [`DELETE FROM ${table} WHERE ${column} IN (${ids.join(', ')})`]
}
