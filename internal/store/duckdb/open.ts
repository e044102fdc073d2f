import type { Logger } from 'pino'
import type { Clock } from '../../time/clock.ts'
import type { StoreReader, StoreWriter } from '../store.ts'
import { Database, openError } from './database.ts'
import { Lane } from './lane.ts'
import { DuckDbReader } from './reader.ts'
import { Retention } from './retention.ts'
import { loadCatalogue } from './schema.ts'
import { DuckDbWriter } from './writer.ts'

const SWEEP_EVERY_MS = 3_600_000

export interface DuckDbOptions {
  /** The file. It and its folder are made where they are missing, for this user only. */
  readonly path: string
  /** Samples older than this are refused, and days that ended before it are dropped. */
  readonly retentionMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly memoryLimitMb?: number
  /** With less than this on the disk nothing is written; 128 MiB unless told otherwise. */
  readonly minFreeBytes?: number
  /** How often days beyond retention are looked for, besides at the start. */
  readonly sweepEveryMs?: number
}

/** An embedded store: one process has the file, writes and reads it. */
export interface DuckDbStore {
  readonly writer: StoreWriter
  readonly reader: StoreReader
  /**
   * Waits for what runs, moves the write-ahead log into the file and lets it go. Writer and reader are of no use
   * afterwards.
   */
  close(): Promise<void>
}

/**
 * Opens a store in a file, with what earlier runs have written to it.
 *
 * @throws StoreError, `away` while another process has the file, `refused` when it cannot be used; its message says
 * what to do
 */
export async function openDuckDb(options: DuckDbOptions): Promise<DuckDbStore> {
  const { clock, logger, retentionMs } = options
  const database = await Database.open(options.path, options.memoryLimitMb)
  try {
    const connection = await database.connect()
    const queryConnection = await database.connect()
    const catalogue = await loadCatalogue(connection)
    const writes = new Lane()
    const queries = new Lane()
    const writer = new DuckDbWriter({
      ...{ catalogue, connection, lane: writes, clock, retentionMs },
      ...{ path: database.path, minFreeBytes: options.minFreeBytes },
    })
    const reader = new DuckDbReader({ catalogue, connection: queryConnection, lane: queries })
    const retention = new Retention({ catalogue, connection, queries, writes, clock, retentionMs, logger })
    await retention.sweep()
    retention.start(options.sweepEveryMs ?? SWEEP_EVERY_MS)
    let closed: Promise<void> | undefined
    const close = async (): Promise<void> => {
      retention.stop()
      try {
        await writer.close()
        await queries.run(() => writes.run(() => connection.run('CHECKPOINT')))
      } finally {
        database.close()
      }
    }
    return {
      writer,
      reader,
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
