import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { ROW_COLUMNS } from '../../gpu/rows.ts'
import type { FoundFile } from './files.ts'

/** So much is read at once, and no line is longer. */
export const CHUNK_BYTES = 2 ** 20
/** A file is known again by its id and by how it begins: ids are given to other files later. */
const BEGINNING_BYTES = 256
const LINE_FEED = 0x0a

/** How far a file is read. */
export interface FilePosition {
  readonly path: string
  readonly id: string
  /** Behind the last row that was taken. */
  readonly offset: number
  /** Of the first bytes, at most 256 and none behind the offset. */
  readonly beginning: string
  readonly header: readonly string[]
}

/** What became of the rows of a file: `read = taken + missing + refused`. */
export interface FileCounts {
  read: number
  taken: number
  missing: number
  refused: number
}

/** A file that is read line by line, while it grows, and after it has got another name or none. */
export class TailedFile {
  readonly id: string
  readonly path: string
  header: readonly string[] = ROW_COLUMNS
  /** Behind the last row that was taken. */
  offset = 0
  /** Since when no path leads to it, by a monotonic timer; undefined while one does. */
  goneAtMs: number | undefined
  readonly counts: FileCounts = { read: 0, taken: 0, missing: 0, refused: 0 }
  readonly #file: FileHandle
  readonly #buffer: Buffer
  #isSkipping = false

  private constructor({ path, id }: FoundFile, file: FileHandle, buffer: Buffer) {
    this.path = path
    this.id = id
    this.#file = file
    this.#buffer = buffer
  }

  /**
   * @param buffer of CHUNK_BYTES and one more; files that are read in turn may share it
   * @throws the error of the file system
   */
  static async open(found: FoundFile, buffer: Buffer): Promise<TailedFile> {
    return new TailedFile(found, await open(found.path, 'r'), buffer)
  }

  /** Goes on where an earlier reader was, if this is the same file. @returns whether it is */
  async goOn({ offset, beginning, header }: FilePosition): Promise<boolean> {
    const { size } = await this.#file.stat()
    if (offset > size || (await this.#beginning(offset)) !== beginning) return false
    this.offset = offset
    this.header = header
    return true
  }

  async position(): Promise<FilePosition> {
    const { path, id, offset, header } = this
    return { path, id, offset, header, beginning: await this.#beginning(offset) }
  }

  /** Reads it again from its begin: it has become shorter. */
  restart(): void {
    this.offset = 0
    this.#isSkipping = false
  }

  /** Bytes that are not read. */
  async unread(): Promise<number> {
    return Math.max(0, (await this.#file.stat()).size - this.offset)
  }

  /**
   * The whole lines behind the offset, at most CHUNK_BYTES of them, valid until the next call; undefined where there is none yet.
   *
   * @returns `too_long` once for a line that is longer: it is passed over
   */
  async lines(): Promise<Buffer | 'too_long' | undefined> {
    for (;;) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK_BYTES, this.offset)
      const bytes = this.#buffer.subarray(0, bytesRead)
      if (this.#isSkipping) {
        const end = bytes.indexOf(LINE_FEED)
        this.offset += end < 0 ? bytesRead : end + 1
        this.#isSkipping = end < 0
        if (bytesRead === 0) return undefined
        continue
      }
      const end = bytes.lastIndexOf(LINE_FEED)
      if (end >= 0) return bytes.subarray(0, end + 1)
      if (bytesRead < CHUNK_BYTES) return undefined
      this.#isSkipping = true
      return 'too_long'
    }
  }

  /** What stands behind the last line feed, with one added: of a file that does not grow any more. */
  async rest(): Promise<Buffer | undefined> {
    const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK_BYTES, this.offset)
    if (bytesRead === 0 || this.#isSkipping) return undefined
    this.#buffer[bytesRead] = LINE_FEED
    return this.#buffer.subarray(0, bytesRead + 1)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #beginning(offset: number): Promise<string> {
    const bytes = Buffer.alloc(Math.min(offset, BEGINNING_BYTES))
    const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, 0)
    return createHash('sha256').update(bytes.subarray(0, bytesRead)).digest('hex')
  }
}
