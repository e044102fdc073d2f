import { chmod, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { openError, openTwice } from './problem.ts'

/** Memory for a write, a query and cached pages together. */
const MEMORY_LIMIT_MB = 256

/** The length at which the write-ahead log is moved into the file. */
const CHECKPOINT_THRESHOLD = '16MB'

/** Disk space for a query that does not fit in memory. Without this limit DuckDB takes 90 % of the disk. */
const MAX_SPILL = '2GB'

/** Options of DuckDB. */
export function settings(memoryLimitMb = MEMORY_LIMIT_MB): Record<string, string> {
  return {
    // With 2 threads writing is not faster, and a query takes both cores from the pipeline (measured).
    threads: '1',
    memory_limit: `${memoryLimitMb}MB`,
    checkpoint_threshold: CHECKPOINT_THRESHOLD,
    max_temp_directory_size: MAX_SPILL,
    // DuckDB must not load anything from the network.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  }
}

/** The file of an embedded store. DuckDB's lock keeps other processes from opening it. */
export class Database {
  /**
   * Files open in this process. DuckDB's POSIX lock does not prevent a second instance in the same process, and the two would overwrite
   * each other's data.
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
   * Opens the file. Creates it and its folder, for this user only, if they are missing.
   *
   * @throws StoreError, `away` while another process has the file open, `refused` when it cannot be used. The message says what to do
   */
  static async open(file: string, memoryLimitMb?: number): Promise<Database> {
    const path = resolve(file)
    if (Database.#openPaths.has(path)) throw openTwice(path)
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

  /** Ends every connection and closes the file. */
  close(): void {
    for (const connection of this.#connections) connection.closeSync()
    this.#instance.closeSync()
    Database.#openPaths.delete(this.path)
  }
}
