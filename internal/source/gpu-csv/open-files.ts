import type { Logger } from 'pino'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import { type FoundFile, findFiles, findRenamed } from './files.ts'
import { CHUNK_BYTES, type FilePosition, TailedFile } from './tailed-file.ts'

export interface OpenFilesOptions {
  readonly paths: readonly string[]
  readonly logger: Logger
  readonly throttle: LogThrottle
}

/** So long a file that is gone, or has another name, may still grow: who writes it has it open. */
const GONE_MS = 2000

/** The files of a source that are open, those that were met first before the others. */
export class OpenFiles implements Iterable<TailedFile> {
  readonly #options: OpenFilesOptions
  readonly #files = new Map<string, TailedFile>()
  /** Files are read in turn, and share it. */
  readonly #buffer = Buffer.alloc(CHUNK_BYTES + 1)
  #known: ReadonlyMap<string, FilePosition> = new Map()

  constructor(options: OpenFilesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#files.size
  }

  [Symbol.iterator](): Iterator<TailedFile> {
    return [...this.#files.values()].values()
  }

  /** Goes on where earlier readers were. What has another name since, and was not read to its end, comes first. */
  async goOn(known: ReadonlyMap<string, FilePosition>): Promise<void> {
    this.#known = known
    const ids = new Set((await findFiles(this.#options.paths)).map(({ id }) => id))
    for (const { path, id, offset } of known.values()) {
      const renamed = ids.has(id) ? undefined : await findRenamed(path, id)
      if (renamed !== undefined && renamed.size > offset) await this.#open(renamed, true)
    }
  }

  /** Opens files that came. @returns those that are gone, are read to their last whole line, and do not grow any more */
  async look(): Promise<TailedFile[]> {
    const found = await findFiles(this.#options.paths)
    for (const each of found) {
      const open = this.#files.get(each.id)
      if (open === undefined) await this.#open(each)
      else if (each.size < open.offset) {
        this.#options.logger.info({ file: open.path }, 'a file of GPU readings has become shorter: it is read again')
        open.restart()
      }
    }
    const ids = new Set(found.map(({ id }) => id))
    const gone: TailedFile[] = []
    for (const file of this) if (!ids.has(file.id) && (await this.#isDone(file))) gone.push(file)
    return gone
  }

  async drop(file: TailedFile): Promise<void> {
    this.#files.delete(file.id)
    await file.close()
  }

  async close(): Promise<void> {
    for (const file of this) await this.drop(file)
  }

  async #isDone(file: TailedFile): Promise<boolean> {
    if ((await file.lines()) !== undefined) {
      file.goneAtMs = undefined
      return false
    }
    file.goneAtMs ??= performance.now()
    return performance.now() - file.goneAtMs > GONE_MS
  }

  /** @param isKnown whether only a file is meant that an earlier reader read */
  async #open(found: FoundFile, isKnown = false): Promise<void> {
    const { logger, throttle } = this.#options
    try {
      const file = await TailedFile.open(found, this.#buffer)
      const position = this.#known.get(found.id)
      const goesOn = position !== undefined && (await file.goOn(position))
      if (isKnown && !goesOn) return await file.close()
      this.#files.set(found.id, file)
      logger.info({ file: found.path, ...(goesOn ? { from: file.offset } : {}) }, 'a file of GPU readings is read')
    } catch (err) {
      throttle.warn(`gpu-csv ${found.path}`, { err, file: found.path }, 'a file of GPU readings cannot be opened')
    }
  }
}
