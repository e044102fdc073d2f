import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { diskProblem } from './disk-problem.ts'
import {
  type Place,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER,
  type SegmentName,
  segmentFile,
  segmentName,
  writeRecordHeader,
} from './segment-format.ts'

/** A segment file, as far as it is written. */
export interface Segment {
  readonly path: string
  readonly name: SegmentName
  /** The place behind its last record. */
  end: Place
  bytes: number
}

/** A record that no file has yet. */
export interface PendingRecord {
  readonly place: Place
  readonly samples: number
  readonly parts: readonly Buffer[]
  /** Header and payload. */
  readonly bytes: number
}

export interface SegmentWriterOptions {
  readonly folder: string
  readonly segmentBytes: number
  readonly logger: Logger
  /** Told of each write: of the segment that took it, with its figures of now, and how many bytes it grew by. */
  readonly onWritten: (segment: Segment, bytes: number) => void
  /** Opens files; another one is for tests that need a disk to fail. */
  readonly open: typeof open
}

/** At once go to the disk at most so many bytes, so that neither the checksums nor the other files wait long for one write. */
const WRITE_BYTES = 4 * 1024 * 1024
const WRITE_RECORDS = 1024
const RETRY_MS = 1000

/**
 * Brings records to disk in order, with one write at a time for all that waits. A disk that refuses is asked again every second; what waits
 * meanwhile stays readable here.
 */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions
  /** In order; the places before `#head` are done with. */
  #pending: PendingRecord[] = []
  #head = 0
  #pendingBytes = 0
  #pendingSamples = 0
  #active: { readonly segment: Segment; readonly file: FileHandle } | undefined
  #isSealed = false
  #running: Promise<void> | undefined
  #kick: NodeJS.Immediate | undefined
  #retry: NodeJS.Timeout | undefined
  #problem = ''
  #isUnsynced = false
  /** A file of which the folder may not know yet after a power cut. */
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
    return this.#pending.length - this.#head
  }

  get samples(): number {
    return this.#pendingSamples
  }

  get bytes(): number {
    return this.#pendingBytes
  }

  /** The place of the oldest record that no file has. */
  get first(): Place | undefined {
    return this.#pending[this.#head]?.place
  }

  isActive(segment: Segment): boolean {
    return this.#active?.segment === segment
  }

  get(number: number): PendingRecord | undefined {
    const first = this.first
    // Numbers have no gaps here: what is dropped is all of it.
    return first === undefined || number < first.number
      ? undefined
      : this.#pending[this.#head + (number - first.number)]
  }

  push(record: PendingRecord): void {
    this.#pending.push(record)
    this.#pendingBytes += record.bytes
    this.#pendingSamples += record.samples
    // While the disk refuses, the timer alone asks again.
    if (this.#running === undefined && this.#retry === undefined) this.#kick ??= setImmediate(() => this.#start())
  }

  /** The next write is to a new file. */
  seal(): void {
    if (this.#running === undefined) this.#leave()
    else this.#isSealed = true
  }

  /** Forgets all that waits, unless a write of it is on its way. @returns whether it did */
  drop(): boolean {
    if (this.#running !== undefined || this.records === 0) return false
    this.#forget(this.records)
    return true
  }

  /** Resolves once all that was pushed so far is written, or a try to write it has failed. */
  written(): Promise<void> {
    const newest = this.#pending.at(-1)
    if (newest === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push({ upTo: newest.place.number, resolve }))
  }

  /** Brings to the medium what the file system holds. */
  async sync(): Promise<void> {
    if (this.#isFolderUnsynced) {
      this.#isFolderUnsynced = false
      await syncFolder(this.#options.folder)
    }
    if (!this.#isUnsynced || this.#active === undefined) return
    this.#isUnsynced = false
    await this.#active.file.datasync()
  }

  /** Tries once more to write what waits, then ends; `records` are what no file has taken. */
  async close(): Promise<void> {
    await this.#running
    clearImmediate(this.#kick)
    clearTimeout(this.#retry)
    if (this.records > 0) await this.#run()
    clearTimeout(this.#retry)
    this.#leave()
    await Promise.all(this.#closing)
  }

  #start(): void {
    this.#kick = undefined
    this.#retry = undefined
    if (this.records === 0) return
    this.#running = this.#run()
  }

  /** Writes until nothing waits or the disk refuses. */
  async #run(): Promise<void> {
    try {
      while (this.records > 0) await this.#writeSome()
      this.#setProblem('')
      this.#running = undefined
    } catch (error) {
      this.#setProblem(diskProblem(this.#options.folder, error))
      await this.#giveUpTail()
      this.#retry = setTimeout(() => this.#start(), RETRY_MS)
      this.#running = undefined
      this.#settleWaiters(Number.POSITIVE_INFINITY)
    }
  }

  async #writeSome(): Promise<void> {
    const { segment, file } = await this.#activeFile()
    const room = Math.min(WRITE_BYTES, Math.max(1, this.#options.segmentBytes - segment.bytes))
    let records = 0
    let bytes = 0
    while (records < Math.min(this.records, WRITE_RECORDS) && bytes < room) {
      bytes += this.#pending[this.#head + records]!.bytes
      records++
    }
    const buffers = this.#buffersOf(records, segment)
    const grownBy = await writeAll(file, buffers, segment.bytes)
    const newest = this.#pending[this.#head + records - 1]!
    segment.bytes += grownBy
    segment.end = { number: newest.place.number + 1, samples: newest.place.samples + newest.samples }
    this.#isUnsynced = true
    this.#forget(records)
    this.#options.onWritten(segment, grownBy)
    this.#settleWaiters(newest.place.number)
  }

  #buffersOf(records: number, segment: Segment): Buffer[] {
    const headers = Buffer.allocUnsafe(records * RECORD_HEADER_BYTES)
    const buffers: Buffer[] = segment.bytes === 0 ? [SEGMENT_HEADER] : []
    for (let i = 0; i < records; i++) {
      const { place, samples, parts } = this.#pending[this.#head + i]!
      const at = i * RECORD_HEADER_BYTES
      writeRecordHeader(headers, at, place, samples, parts, segment.name.salt)
      buffers.push(headers.subarray(at, at + RECORD_HEADER_BYTES), ...parts)
    }
    return buffers
  }

  /**
   * Takes back what a failed write left behind. The next try is with another file, for this one may be what fails; unless it is empty, or each
   * try would leave one more.
   */
  async #giveUpTail(): Promise<void> {
    if (this.#active === undefined) return
    const { segment, file } = this.#active
    await file.truncate(segment.bytes).catch(() => {})
    if (segment.bytes > 0) this.#leave()
  }

  async #activeFile(): Promise<{ readonly segment: Segment; readonly file: FileHandle }> {
    const active = this.#active
    if (active !== undefined && active.segment.bytes === 0) return active
    if (active !== undefined && !this.#isSealed && active.segment.bytes < this.#options.segmentBytes) return active
    this.#leave()
    const { folder } = this.#options
    const first = this.first!
    const name = segmentName(first)
    const path = join(folder, segmentFile(name))
    // Whoever removed the folder while we run has one again.
    await mkdir(folder, { recursive: true })
    const file = await this.#options.open(path, 'wx', 0o640)
    this.#active = { segment: { path, name, end: first, bytes: 0 }, file }
    this.#isSealed = false
    this.#isFolderUnsynced = true
    return this.#active
  }

  /** Ends the active file in the background: on a slow disk the sync of 32 MiB takes a while, and new records need not wait for it. */
  #leave(): void {
    if (this.#active === undefined) return
    const { segment, file } = this.#active
    this.#active = undefined
    const closing = (async () => {
      try {
        if (segment.bytes === 0) await unlink(segment.path)
        else await file.datasync()
      } finally {
        await file.close()
      }
    })()
      .catch((err) => this.#options.logger.warn({ err, path: segment.path }, 'a segment could not be synced'))
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #forget(records: number): void {
    for (let i = 0; i < records; i++) {
      const { bytes, samples } = this.#pending[this.#head + i]!
      this.#pendingBytes -= bytes
      this.#pendingSamples -= samples
    }
    this.#head += records
    if (this.#head * 2 >= this.#pending.length) {
      this.#pending = this.#pending.slice(this.#head)
      this.#head = 0
    }
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

/** @returns the bytes of all the buffers, once all are written */
async function writeAll(file: FileHandle, buffers: readonly Buffer[], position: number): Promise<number> {
  let written = 0
  let rest = buffers
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, position + written)
    if (bytesWritten === 0) throw new Error('the file takes nothing more')
    written += bytesWritten
    rest = without(rest, bytesWritten)
  }
  return written
}

/** What is left of buffers of which so many bytes are written: a disk that becomes full takes a part first. */
function without(buffers: readonly Buffer[], bytes: number): readonly Buffer[] {
  let done = 0
  let left = bytes
  while (done < buffers.length && left >= buffers[done]!.length) left -= buffers[done++]!.length
  return left === 0 ? buffers.slice(done) : [buffers[done]!.subarray(left), ...buffers.slice(done + 1)]
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
