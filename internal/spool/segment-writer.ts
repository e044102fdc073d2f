import { join } from 'node:path'
import type { Logger } from 'pino'
import { diskProblem } from './disk-problem.ts'
import type { Files, LogFile } from './files.ts'
import { type PendingRecord, PendingRecords } from './pending-records.ts'
import {
  type Place,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER,
  type SegmentName,
  segmentFile,
  segmentName,
  writeRecordHeader,
} from './segment-format.ts'
import { syncFolder, writeAll } from './write-all.ts'

/** A segment file, as far as it is written. */
export interface Segment {
  readonly path: string
  readonly name: SegmentName
  /** The place behind its last record. */
  end: Place
  bytes: number
}

export interface SegmentWriterOptions {
  readonly folder: string
  readonly segmentBytes: number
  readonly logger: Logger
  /** Called after each write, with the segment and the bytes by which it grew. */
  readonly onWritten: (segment: Segment, bytes: number) => void
  readonly files: Files
}

/** The most bytes and records of one write, so that the checksums and the other files do not wait long for it. */
const WRITE_BYTES = 4 * 1024 * 1024
const WRITE_RECORDS = 1024
const RETRY_MS = 1000
const PROBE_BYTES = 4096

/**
 * Writes records to segment files, in order. One write at a time takes all that waits. A disk that refuses is tried
 * again every second. The records that wait can be read here.
 *
 * A segment is **active** while records are added to it. It is sealed when it has its size, when `seal` says so, or
 * when a write to it has failed.
 */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions
  readonly #pending = new PendingRecords()
  #active: { readonly segment: Segment; readonly file: LogFile } | undefined
  /** The next write is to a new file. */
  #mustSeal = false
  #writing: Promise<void> | undefined
  #start: NodeJS.Immediate | undefined
  #retry: NodeJS.Timeout | undefined
  #problem = ''
  #isUnsynced = false
  /** The name of a file was made since the folder was synced: a power cut may take it. */
  #isFolderUnsynced = false
  /** Files that are synced and closed in the background. */
  readonly #closing = new Set<Promise<void>>()
  #waiters: Array<{ readonly upTo: number; readonly resolve: () => void }> = []

  constructor(options: SegmentWriterOptions) {
    this.#options = options
  }

  get problem(): string {
    return this.#problem
  }

  get records(): number {
    return this.#pending.length
  }

  get samples(): number {
    return this.#pending.samples
  }

  get bytes(): number {
    return this.#pending.bytes
  }

  /** The place of the oldest record that no file has. */
  get first(): Place | undefined {
    return this.#pending.oldest?.place
  }

  isActive(segment: Segment): boolean {
    return this.#active?.segment === segment
  }

  get(number: number): PendingRecord | undefined {
    return this.#pending.get(number)
  }

  push(record: PendingRecord): void {
    this.#pending.push(record)
    // While the disk refuses, only the timer asks it again.
    if (this.#writing === undefined && this.#retry === undefined) this.#start ??= setImmediate(() => this.#begin())
  }

  /** The next write is to a new file. */
  seal(): void {
    if (this.#writing === undefined) this.#leave()
    else this.#mustSeal = true
  }

  /** Drops all that waits, unless a write of it is under way. @returns whether it did */
  drop(): boolean {
    if (this.#writing !== undefined || this.records === 0) return false
    this.#pending.forget(this.records)
    return true
  }

  /** Resolves once all that was pushed before the call is written, or a try to write it has failed. */
  written(): Promise<void> {
    const { newest } = this.#pending
    if (newest === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ upTo: newest.place.number, resolve }))
  }

  /**
   * Writes a small file and removes it, unless records are being written or wait: so a disk that takes nothing is known
   * before anything must be kept.
   */
  async probe(): Promise<void> {
    if (this.#writing !== undefined || this.records > 0) return
    const { folder, files } = this.#options
    const path = join(folder, 'probe')
    try {
      await files.makeFolder(folder)
      const file = await files.open(path, 'w', 0o640)
      try {
        await file.writev([Buffer.alloc(PROBE_BYTES)])
      } finally {
        await file.close()
        await files.unlink(path).catch(() => {})
      }
      if (this.records === 0) this.#setProblem('')
    } catch (error) {
      this.#setProblem(diskProblem(folder, error))
    }
  }

  /** Makes what is written survive a power cut. */
  async sync(): Promise<void> {
    if (this.#isFolderUnsynced) {
      this.#isFolderUnsynced = false
      await syncFolder(this.#options.folder, this.#options.files)
    }
    if (!this.#isUnsynced || this.#active === undefined) return
    this.#isUnsynced = false
    await this.#active.file.datasync()
  }

  /** Tries once more to write what waits, then ends. `records` then counts what no file has taken. */
  async close(): Promise<void> {
    await this.#writing
    clearImmediate(this.#start)
    clearTimeout(this.#retry)
    if (this.records > 0) await this.#writePending()
    clearTimeout(this.#retry)
    this.#leave()
    await Promise.all(this.#closing)
  }

  #begin(): void {
    this.#start = undefined
    this.#retry = undefined
    if (this.records === 0) return
    this.#writing = this.#writePending()
  }

  /** Writes until nothing waits or the disk refuses. */
  async #writePending(): Promise<void> {
    try {
      while (this.records > 0) await this.#writeSome()
      this.#setProblem('')
      this.#writing = undefined
    } catch (error) {
      this.#setProblem(diskProblem(this.#options.folder, error))
      await this.#cutTail()
      this.#retry = setTimeout(() => this.#begin(), RETRY_MS)
      this.#writing = undefined
      this.#settleWaiters(Number.POSITIVE_INFINITY)
    }
  }

  async #writeSome(): Promise<void> {
    const { segment, file } = await this.#activeFile()
    const room = Math.min(WRITE_BYTES, Math.max(1, this.#options.segmentBytes - segment.bytes))
    let records = 0
    let bytes = 0
    while (records < Math.min(this.records, WRITE_RECORDS) && bytes < room) {
      bytes += this.#pending.at(records)!.bytes
      records++
    }
    const buffers = this.#buffersOf(records, segment)
    const grownBy = await writeAll(file, buffers, segment.bytes)
    const newest = this.#pending.at(records - 1)!
    segment.bytes += grownBy
    segment.end = { number: newest.place.number + 1, samples: newest.place.samples + newest.samples }
    this.#isUnsynced = true
    this.#pending.forget(records)
    this.#options.onWritten(segment, grownBy)
    this.#settleWaiters(newest.place.number)
  }

  #buffersOf(records: number, segment: Segment): Buffer[] {
    const headers = Buffer.allocUnsafe(records * RECORD_HEADER_BYTES)
    const buffers: Buffer[] = segment.bytes === 0 ? [SEGMENT_HEADER] : []
    for (let i = 0; i < records; i++) {
      const { place, samples, parts } = this.#pending.at(i)!
      const at = i * RECORD_HEADER_BYTES
      writeRecordHeader(headers, at, place, samples, parts, segment.name.salt)
      buffers.push(headers.subarray(at, at + RECORD_HEADER_BYTES), ...parts)
    }
    return buffers
  }

  /**
   * Cuts off what a failed write left behind. The next try is with another file, because this one may be what fails. An
   * empty file is used again: otherwise each try would leave one more.
   */
  async #cutTail(): Promise<void> {
    if (this.#active === undefined) return
    const { segment, file } = this.#active
    await file.truncate(segment.bytes).catch(() => {})
    if (segment.bytes > 0) this.#leave()
  }

  async #activeFile(): Promise<{ readonly segment: Segment; readonly file: LogFile }> {
    const active = this.#active
    if (active !== undefined && active.segment.bytes === 0) return active
    if (active !== undefined && !this.#mustSeal && active.segment.bytes < this.#options.segmentBytes) return active
    this.#leave()
    const { folder, files } = this.#options
    const first = this.first!
    const name = segmentName(first)
    const path = join(folder, segmentFile(name))
    // Somebody may have removed the folder while the program runs.
    await files.makeFolder(folder)
    const file = await files.open(path, 'wx', 0o640)
    this.#active = { segment: { path, name, end: first, bytes: 0 }, file }
    this.#mustSeal = false
    this.#isFolderUnsynced = true
    return this.#active
  }

  /**
   * Closes the active file in the background: on a slow disk the sync of 32 MiB takes a while, and new records need not
   * wait for it.
   */
  #leave(): void {
    if (this.#active === undefined) return
    const { segment, file } = this.#active
    this.#active = undefined
    const closing = (async () => {
      try {
        if (segment.bytes === 0) await this.#options.files.unlink(segment.path)
        else await file.datasync()
      } finally {
        await file.close()
      }
    })()
      .catch((err) => this.#options.logger.warn({ err, path: segment.path }, 'a segment could not be synced'))
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #setProblem(problem: string): void {
    if (problem === this.#problem) return
    const { folder, logger } = this.#options
    if (problem !== '') logger.error({ folder }, problem)
    else logger.info({ folder }, 'the disk takes data again')
    this.#problem = problem
  }

  #settleWaiters(upTo: number): void {
    if (this.#waiters.length === 0) return
    for (const waiter of this.#waiters) if (waiter.upTo <= upTo) waiter.resolve()
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo > upTo)
  }
}
