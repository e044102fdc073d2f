import type { Logger } from 'pino'
import type { Cursor, CursorState } from './cursor.ts'
import type { Files } from './files.ts'

export interface HousekeepingOptions {
  readonly folder: string
  readonly cursor: Pick<Cursor, 'save' | 'sync' | 'close'>
  readonly logger: Logger
  readonly files: Pick<Files, 'unlink'>
  /** What the cursor is to say now. */
  readonly state: () => CursorState
  /** Makes what is written survive a power cut. */
  readonly sync: () => Promise<void>
}

const SOON_MS = 1000

/**
 * Saves how far a log is committed and syncs it, a second after a change; and removes the files that the log does not
 * need any more.
 */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  /** Paths of files that go once the cursor is saved: a file must not be gone while the cursor still points into it. */
  readonly #obsolete: string[] = []
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  constructor(options: HousekeepingOptions) {
    this.#options = options
  }

  /** Something was written or committed. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#running ??= this.#run()
      void this.#sync()
    }, SOON_MS).unref()
  }

  /** The log needs these files no more. */
  remove(paths: readonly string[]): void {
    if (paths.length === 0) return
    this.#obsolete.push(...paths)
    this.#running ??= this.#run()
  }

  /** Saves the last state. */
  async close(): Promise<void> {
    await this.#running
    // Known as running: a second one beside it would open the cursor's file a second time, and leave it open.
    this.#running = this.#run()
    await this.#running
    clearTimeout(this.#timer)
    const { cursor, logger, folder } = this.#options
    await cursor.sync().catch(() => {})
    await cursor.close().catch((err) => logger.warn({ err, folder }, 'the cursor was not closed'))
  }

  async #run(): Promise<void> {
    const { cursor, folder, logger, state } = this.#options
    do {
      const obsolete = this.#obsolete.splice(0)
      // Where nothing can be written at all, the writer says so, and the log needs no cursor.
      await cursor.save(state()).catch((err) => logger.debug({ err, folder }, 'the cursor was not saved'))
      for (const path of obsolete) await this.#removeFile(path)
    } while (this.#obsolete.length > 0)
    this.#running = undefined
  }

  async #removeFile(path: string): Promise<void> {
    await this.#options.files.unlink(path).catch((err: NodeJS.ErrnoException) => {
      if (err.code !== 'ENOENT') this.#options.logger.warn({ err, path }, 'a segment file could not be removed')
    })
  }

  async #sync(): Promise<void> {
    const { folder, logger, sync } = this.#options
    await sync().catch((err) => logger.warn({ err, folder }, 'a segment was not synced'))
  }
}
