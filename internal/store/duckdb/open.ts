import type { Logger } from 'pino'
import type { Clock } from '../../time/clock.ts'
import type { StoreReader, StoreWriter } from '../store.ts'
import { BelievedClock, firstRecord } from './believed-clock.ts'
import type { Catalogue } from './catalogue.ts'
import { Database } from './database.ts'
import { Lane } from './lane.ts'
import { openError } from './problem.ts'
import { ParquetWriter } from './parquet.ts'
import { DuckDbReader } from './reader.ts'
import { Retention } from './retention.ts'
import { loadCatalogue, loadClock } from './schema.ts'
import { Sorter, type SorterOptions } from './sorter.ts'
import { DuckDbWriter } from './writer.ts'

const SWEEP_EVERY_MS = 3_600_000

export interface DuckDbOptions {
  /** The file. It and its folder are created, for this user only, if they are missing. */
  readonly path: string
  /** Older samples are rejected, and days that ended earlier are dropped. */
  readonly retentionMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly memoryLimitMb?: number
  /** With less free space on the disk nothing is written. Default 128 MiB. */
  readonly minFreeBytes?: number
  /** How often days beyond the retention are dropped, besides at the start. Default 1 h. */
  readonly sweepEveryMs?: number
  /** When a table is set apart and sorted by series, other than by default. */
  readonly sorting?: Pick<SorterOptions, 'minRows' | 'minCells' | 'sliceCells'> & { readonly everyMs: number }
  /** Monotonic time, ms. */
  readonly monotonicMs?: () => number
}

/** An embedded store. One process writes and reads the file. */
export interface DuckDbStore {
  readonly writer: StoreWriter
  readonly reader: StoreReader
  /** Why no old samples are dropped, in words; '' while they are. */
  readonly retentionProblem: string
  /**
   * Waits for running work, moves the write-ahead log into the file and closes it. Writer and reader must not be used afterwards.
   */
  close(): Promise<void>
}

/**
 * Opens a store in a file, with the data that earlier processes have written.
 *
 * @throws StoreError, `away` while another process has the file open, `refused` when it cannot be used. The message says what to do
 */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDbStore> {
  const { clock, logger, retentionMs } = options
  const database = await Database.open(options.path, options.memoryLimitMb)
  try {
    const connection = await database.connect()
    const queryConnection = await database.connect()
    const catalogue = await loadCatalogue(connection)
    const record = (await loadClock(connection)) ?? firstRecord(newestTimes(catalogue), clock.now())
    const believed = new BelievedClock({ clock, record, monotonicMs: options.monotonicMs })
    const writes = new Lane()
    const queries = new Lane()
    const writer = new DuckDbWriter({
      ...{ catalogue, connection, lane: writes, clock, believed, retentionMs },
      ...{ path: database.path, minFreeBytes: options.minFreeBytes },
    })
    const probes = await database.connect()
    const sorts = new Lane()
    const parquet = new ParquetWriter({ catalogue, connection: await database.connect(), lane: sorts })
    const reader = new DuckDbReader({ catalogue, connection: queryConnection, lane: queries, probes, parquet })
    const lanes = { sorts, queries, writes }
    const sorter = new Sorter({ ...lanes, catalogue, connection: await database.connect(), logger, ...options.sorting })
    const retention = new Retention({ ...lanes, catalogue, connection, clock, believed, retentionMs, logger })
    await retention.sweep()
    retention.start(options.sweepEveryMs ?? SWEEP_EVERY_MS)
    sorter.start(options.sorting?.everyMs)
    let closed: Promise<void> | undefined
    const close = async (): Promise<void> => {
      retention.stop()
      try {
        await sorter.close()
        await writer.close()
        await queries.run(() => writes.run(() => connection.run('CHECKPOINT')))
      } finally {
        database.close()
      }
    }
    return {
      writer,
      reader,
      get retentionProblem() {
        return retention.problem
      },
      close() {
        closed ??= close()
        return closed
      },
    }
  } catch (error) {
    database.close()
    throw openError(database.path, error)
  }
}

function* newestTimes({ measurements }: Catalogue): Generator<number> {
  for (const { series } of measurements.values()) for (const { newestAt } of series.values()) yield newestAt
}
