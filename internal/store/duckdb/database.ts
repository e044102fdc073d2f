import { chmod, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { errorText } from '../../text/error-text.ts'
import { StoreError } from '../store.ts'

/** What a write, a query and the pages held in memory may take together, unless told otherwise. */
const MEMORY_LIMIT_MB = 256

/** The write-ahead log is moved into the file when it is this long. */
const CHECKPOINT_THRESHOLD = '16MB'

/** What a query may put on disk when it does not fit in memory; without a bound DuckDB takes 90 % of the disk. */
const MAX_SPILL = '2GB'

const HELD_BY = /lock is held in (?:(\S+) )?\(PID (\d+)\)/i
const NOT_READABLE =
  /not a valid DuckDB|corrupt|checksum|Could not read enough bytes|Serialization Error|newer version|storage version|replaying WAL/i

/** DuckDB's own options. */
export function settings(memoryLimitMb = MEMORY_LIMIT_MB): Record<string, string> {
  return {
    // Measured with 2: writing is not faster, and a query then takes both cores from the pipeline.
    threads: '1',
    memory_limit: `${memoryLimitMb}MB`,
    checkpoint_threshold: CHECKPOINT_THRESHOLD,
    max_temp_directory_size: MAX_SPILL,
    // Nothing is ever fetched from the network.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  }
}

/** The file of an embedded store, open in this process and, by DuckDB's own lock, in no other. */
export class Database {
  /**
   * DuckDB's lock is a POSIX one, which tells processes apart only: two instances in one process would write over each
   * other.
   */
  static readonly #openPaths = new Set<string>()

  readonly path: string
  readonly #instance: DuckDBInstance
  readonly #connections: DuckDBConnection[] = []

  private constructor(path: string, instance: DuckDBInstance) {
    this.path = path
    this.#instance = instance
  }

  /**
   * Opens the file, and makes it and its folder (for this user only) where they are missing.
   *
   * @throws StoreError, `away` while another process has the file, `refused` when it cannot be used; its message says
   * what to do
   */
  static async open(file: string, memoryLimitMb?: number): Promise<Database> {
    const path = resolve(file)
    if (Database.#openPaths.has(path)) throw new StoreError('refused', `${path} is already open in this process`)
    Database.#openPaths.add(path)
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      const instance = await DuckDBInstance.fromCache(path, settings(memoryLimitMb))
      await chmod(path, 0o600)
      return new Database(path, instance)
    } catch (cause) {
      Database.#openPaths.delete(path)
      throw openError(path, cause)
    }
  }

  async connect(): Promise<DuckDBConnection> {
    const connection = await this.#instance.connect()
    this.#connections.push(connection)
    return connection
  }

  /** Ends every connection and lets the file go. */
  close(): void {
    for (const connection of this.#connections) connection.closeSync()
    this.#instance.closeSync()
    Database.#openPaths.delete(this.path)
  }
}

/** Why a file could not be opened or read, and what to do. */
export function openError(path: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  const reason = firstLine(cause)
  const holder = HELD_BY.exec(reason)
  if (holder !== null || /could not set lock/i.test(reason)) {
    const who = holder === null ? 'another process' : `process ${holder[2]}${holder[1] ? ` (${holder[1]})` : ''}`
    const advice = 'stop that process, or give this one a file of its own'
    return new StoreError('away', `${path} is in use by ${who}, and one process at a time can have it: ${advice}`, {
      cause,
    })
  }
  if (NOT_READABLE.test(reason)) {
    const advice = `move it away, with ${path}.wal, to start with an empty one, or put a backup in its place`
    return new StoreError('refused', `${path} is damaged or no database of this version (${reason}): ${advice}`, {
      cause,
    })
  }
  return new StoreError('refused', `${path} cannot be opened: ${reason}`, { cause })
}

/** DuckDB's messages go on with advice and stack traces; the first line says what happened. */
export function firstLine(error: unknown): string {
  const message = errorText(error)
  return message.split('\n', 1)[0]!.trim()
}
