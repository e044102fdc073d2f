import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { mayBeReadLater } from './disk-problem.ts'
import { type Files, type LogFile, realFiles } from './files.ts'
import { type Place, readUInt64, writeUInt64 } from './segment-format.ts'

/*
 *   cursor   0   8   SNTLCUR1
 *            8   u64   number of the oldest record that is not committed
 *            16  u64   samples before it
 *            24  u64   number of the record to come
 *            32  u64   samples before it
 *            40  u32   CRC-32 of what stands before
 */
const MAGIC = Buffer.from('SNTLCUR1', 'latin1')
const CRC_AT = 40
const BYTES = 44

export interface CursorState {
  readonly committed: Place
  /** Shows that the end of the log was cut off, where no later record shows it. */
  readonly end: Place
}

/**
 * Remembers how far a log is committed. The file is overwritten in place: that needs no room on a full disk, and its 44
 * bytes are in one sector, which is written whole or not at all.
 */
export class Cursor {
  readonly #path: string
  readonly #files: Files
  #file: LogFile | undefined

  constructor(folder: string, files = realFiles) {
    this.#files = files
    this.#path = join(folder, 'cursor')
  }

  /**
   * @returns undefined when there is none, or it is damaged
   * @throws when it may be read later
   */
  async load(): Promise<CursorState | undefined> {
    const file = await this.#files.open(this.#path, 'r').catch(noneUnlessLater)
    if (file === undefined) return undefined
    try {
      const bytes = Buffer.alloc(BYTES)
      await file.read(bytes, 0, BYTES, 0)
      const isWhole = bytes.indexOf(MAGIC) === 0 && crc32(bytes.subarray(0, CRC_AT)) === bytes.readUInt32LE(CRC_AT)
      return isWhole ? { committed: readPlace(bytes, 8), end: readPlace(bytes, 24) } : undefined
    } catch {
      return undefined
    } finally {
      // It was only read: nothing can be lost.
      await file.close().catch(() => {})
    }
  }

  async save({ committed, end }: CursorState): Promise<void> {
    const bytes = Buffer.alloc(BYTES)
    MAGIC.copy(bytes)
    writePlace(bytes, committed, 8)
    writePlace(bytes, end, 24)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT)
    this.#file ??= await this.#files.open(this.#path, 'r+').catch(() => this.#files.open(this.#path, 'w'))
    await this.#file.write(bytes, 0, BYTES, 0)
  }

  async sync(): Promise<void> {
    await this.#file?.datasync()
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }
}

/**
 * Samples in the log of a folder, by its cursor, which after a kill is a second old. Only reads, so any process may
 * call it.
 */
export async function samplesLeftIn(folder: string): Promise<number> {
  const saved = await new Cursor(folder).load().catch(() => undefined)
  return saved === undefined ? 0 : Math.max(0, saved.end.samples - saved.committed.samples)
}

function noneUnlessLater(error: unknown): undefined {
  if (mayBeReadLater(error)) throw error
}

function readPlace(bytes: Buffer, at: number): Place {
  return { number: readUInt64(bytes, at), samples: readUInt64(bytes, at + 8) }
}

function writePlace(bytes: Buffer, { number, samples }: Place, at: number): void {
  writeUInt64(bytes, number, at)
  writeUInt64(bytes, samples, at + 8)
}
