import type { DuckDBConnection } from '@duckdb/node-api'
import type { Logger } from 'pino'
import type { Clock } from '../../time/clock.ts'
import { type Catalogue, DAY_US } from './catalogue.ts'
import type { Lane } from './lane.ts'

/** Drops the tables of days that have passed, so that their room in the file is used again. */
export class Retention {
  readonly #options: RetentionOptions
  #timer: NodeJS.Timeout | undefined

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  /** Sweeps again and again, until `stop`. A sweep that fails is logged. */
  start(everyMs: number): void {
    this.#timer = setInterval(() => {
      this.sweep().catch((error: unknown) => {
        this.#options.logger.error(
          { err: error },
          'old samples could not be dropped: their room is free again after the next start',
        )
      })
    }, everyMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Drops every day that ended before the retention began. Waits for queries first: they may be at those tables. */
  async sweep(): Promise<void> {
    const { catalogue, connection, queries, writes, clock, retentionMs, logger } = this.#options
    const firstDay = Math.floor((clock.now() - retentionMs * 1000) / DAY_US)
    await queries.run(() =>
      writes.run(async () => {
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
          // Forgotten in memory they take room until the next start finds them again.
          await connection.run('ROLLBACK').catch(() => undefined)
          throw error
        }
        // Gives the blocks of the tables back: the next ones are written into them.
        await connection.run('CHECKPOINT')
        logger.info({ tables: tables.length, series: series.length }, 'dropped the samples of days beyond retention')
      }),
    )
  }
}

export interface RetentionOptions {
  readonly catalogue: Catalogue
  /** The writer's: what it does comes between two writes. */
  readonly connection: DuckDBConnection
  readonly queries: Lane
  readonly writes: Lane
  readonly clock: Clock
  readonly retentionMs: number
  readonly logger: Logger
}

function deletions(table: string, column: string, ids: readonly number[]): string[] {
  return ids.length === 0 ? [] : [`DELETE FROM ${table} WHERE ${column} IN (${ids.join(', ')})`]
}
