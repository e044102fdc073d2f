import { open, unlink } from 'node:fs/promises'
import type { Logger } from 'pino'
import { Cursor } from './cursor.ts'
import { Gaps, type Loss } from './gaps.ts'
import { LogReader } from './log-reader.ts'
import { SampleRuns } from './sample-runs.ts'
import { endOf, listSegments } from './segment-folder.ts'
import { type Place, RECORD_HEADER_BYTES } from './segment-format.ts'
import { type Segment, SegmentWriter } from './segment-writer.ts'

export type { Loss }

export interface SegmentLogOptions {
  /** Made where it is missing; belongs to one process at a time (`lockFolder`). */
  readonly folder: string
  /** What it may take of the disk. A single record is taken whatever its size. */
  readonly maxBytes: number
  /** The size at which the next file is begun; by default a sixteenth of `maxBytes`, within 64 KiB and 32 MiB. */
  readonly segmentBytes?: number
  /** What may wait in memory for the disk; 8 MiB by default. */
  readonly maxUnwrittenBytes?: number
  readonly logger: Logger
  /** Opens the files that are written; another one is for tests that need a disk to fail. */
  readonly open?: typeof open
}

export interface LogRecord {
  /** From 0, ever rising, over restarts too. */
  readonly number: number
  /** Belongs to the reader: stays as it is. */
  readonly payload: Buffer
  readonly samples: number
}

const KIB = 1024
const MIB = 1024 * KIB
const DEFAULT_UNWRITTEN_BYTES = 8 * MIB
const HOUSEKEEPING_MS = 1000

/**
 * Opens the log of a folder. Nothing that the folder holds, nor that it cannot be written to, keeps it from opening: see `problem`. It takes the
 * same time however much there is: only the last file is read, to find its end.
 */
export async function openSegmentLog(options: SegmentLogOptions): Promise<SegmentLog> {
  const { folder, logger } = options
  const cursor = new Cursor(folder)
  const saved = await cursor.load()
  let segments: Segment[]
  try {
    segments = await listSegments(folder)
  } catch (error) {
    logger.error({ err: error, folder }, 'the folder of a log cannot be read: what it holds waits for the next start')
    return openUnread(options, saved?.end ?? ORIGIN, error)
  }
  const last = segments.at(-1)
  if (last !== undefined) last.end = await endOf(last, saved?.end.number ?? -1, logger)
  const end = later(last?.end, saved?.end)
  const committed = saved?.committed ?? segments[0]?.name.first ?? end
  return new SegmentLog(options, { cursor, segments, committed, end: later(end, committed) })
}

/** Nothing is written to what cannot be seen, the cursor neither: it would say of all that is there that it is done with. */
function openUnread(options: SegmentLogOptions, end: Place, error: unknown): SegmentLog {
  const fail = (): Promise<never> => Promise.reject(error)
  const cursor = { save: fail, sync: async () => {}, close: async () => {} }
  return new SegmentLog({ ...options, open: fail }, { cursor, segments: [], committed: end, end })
}

interface Found {
  readonly cursor: Pick<Cursor, 'save' | 'sync' | 'close'>
  readonly segments: Segment[]
  readonly committed: Place
  readonly end: Place
}

/**
 * A log of opaque records on disk, in order, written and read at the same time.
 *
 * What `written` has confirmed survives the end of the process, `kill -9` too: the file system has it. A power cut may take the last second, for
 * that is how often it is synced. How far the log is committed is saved as often, so after `kill -9` records of the last second may come
 * a second time; who reads a log must be able to bear that.
 *
 * A part that can no longer be read (cut, flipped bits, a file that is gone) is passed over, and what was in it is counted: exactly, because
 * the intact records around it say where they stand. Only behind the last record no neighbour tells; unless the cursor does, an unreadable
 * rest counts there as one record without samples.
 *
 * Committed records go with their file, once all in it are committed.
 */
export class SegmentLog {
  /** Found by `next` since the start: what can no longer be read. No longer among `records` and `samples`. */
  readonly damaged = { records: 0, samples: 0, bytes: 0 }
  /** May be set while it is open: what it holds beyond a smaller bound stays. */
  maxBytes: number
  readonly #folder: string
  readonly #logger: Logger
  readonly #maxUnwrittenBytes: number
  readonly #cursor: Found['cursor']
  readonly #writer: SegmentWriter
  /** Oldest first; those that hold something that is not committed, and the one that is written to. */
  readonly #segments: Segment[]
  #segmentsBytes = 0
  #committed: Place
  #end: Place
  /** Where an earlier process ended and this one began. */
  readonly #begin: number
  readonly #gaps = new Gaps()
  /** Of records that an earlier process left, as far as they are read. */
  readonly #readRuns = new SampleRuns()
  /** Of those that this process appended. */
  readonly #appendedRuns = new SampleRuns()
  readonly #reader: LogReader
  readonly #obsolete: Segment[] = []
  #housekeeping: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: SegmentLogOptions, { cursor, segments, committed, end }: Found) {
    const { folder, maxBytes, logger } = options
    this.#folder = folder
    this.#logger = logger
    this.maxBytes = maxBytes
    this.#maxUnwrittenBytes = options.maxUnwrittenBytes ?? DEFAULT_UNWRITTEN_BYTES
    this.#cursor = cursor
    this.#segments = segments
    for (const { bytes } of segments) this.#segmentsBytes += bytes
    this.#committed = committed
    this.#end = end
    this.#begin = end.number
    this.#writer = new SegmentWriter({
      folder,
      segmentBytes: options.segmentBytes ?? Math.min(Math.max(64 * KIB, maxBytes / 16), 32 * MIB),
      logger,
      open: options.open ?? open,
      onWritten: (segment, bytes) => this.#written(segment, bytes),
    })
    this.#reader = new LogReader(
      {
        segments,
        writer: this.#writer,
        end: () => this.#end,
        onMissing: (from, to) => this.#missing(from, to),
        onDamagedBytes: (bytes) => {
          this.damaged.bytes += bytes
        },
        logger,
      },
      committed,
    )
    this.#releaseSegments()
  }

  /** '' while the disk takes and gives what it should, else what is wrong, in words. */
  get problem(): string {
    return this.#writer.problem || this.#reader.problem
  }

  /** What it holds, not committed. */
  get records(): number {
    return this.#end.number - this.#committed.number - this.#gaps.records
  }

  get samples(): number {
    return Math.max(0, this.#end.samples - this.#committed.samples - this.#gaps.samples)
  }

  /** Of the files that hold it, and of what waits for the disk. */
  get bytes(): number {
    return this.records === 0 ? 0 : this.#segmentsBytes + this.#writer.bytes
  }

  /** What waits in memory for the disk; after `close`, what is lost because the disk did not take it. */
  get unwritten(): Loss {
    return { records: this.#writer.records, samples: this.#writer.samples }
  }

  /** The oldest file and the numbers of its records, `[from, to)`; undefined while the only one is still written to. */
  get oldest(): { readonly path: string; readonly from: number; readonly to: number } | undefined {
    const [segment] = this.#segments
    if (segment === undefined || this.#writer.isActive(segment)) return undefined
    return { path: segment.path, from: segment.name.first.number, to: segment.end.number }
  }

  /**
   * Adds a record of the parts, one after the other. Takes the buffers over, copies nothing, and writes soon, in order.
   *
   * @returns the record's number; or `full`, when the log is as large as it may be, or when too much waits for a disk that is slow or
   *   takes nothing
   */
  append(parts: readonly Buffer[], samples: number): number | 'full' {
    if (this.#isClosed) throw new Error(`the log in ${this.#folder} is closed`)
    let bytes = RECORD_HEADER_BYTES
    for (const part of parts) bytes += part.length
    if (this.records > 0 && this.bytes + bytes > this.maxBytes) return 'full'
    if (this.#writer.records > 0 && this.#writer.bytes + bytes > this.#maxUnwrittenBytes) return 'full'
    const place = this.#end
    this.#end = { number: place.number + 1, samples: place.samples + samples }
    this.#appendedRuns.add(place, samples)
    this.#writer.push({ place, samples, parts, bytes })
    return place.number
  }

  /** The next record in order; undefined when there is none now, or none can be read (see `problem`). One call at a time. */
  async next(): Promise<LogRecord | undefined> {
    const record = await this.#reader.next()
    if (record === undefined) return undefined
    const { place, sampleCount, payload } = record
    if (place.number < this.#begin) this.#readRuns.add(place, sampleCount)
    return { number: place.number, payload, samples: sampleCount }
  }

  /** All records up to this number, which `append` or `next` gave, are done with. */
  commit(upTo: number): void {
    if (upTo < this.#committed.number) return
    const isOfThisProcess = upTo >= this.#begin
    const place = isOfThisProcess ? this.#appendedRuns.passUpTo(upTo) : this.#readRuns.passUpTo(upTo)
    if (place !== undefined) this.#commitTo(place)
  }

  /**
   * Gives up the oldest segment; or, where the disk has taken nothing, what waits for it.
   *
   * @returns what of it was not committed; undefined when nothing can be given up now
   */
  dropOldest(): Loss | undefined {
    const { records, samples } = this
    const [oldest] = this.#segments
    if (oldest !== undefined && oldest.end.number > this.#committed.number) {
      if (this.#writer.isActive(oldest)) this.#writer.seal()
      this.#commitTo(oldest.end)
    } else {
      if (!this.#writer.drop()) return undefined
      this.#commitTo(this.#end)
    }
    return { records: records - this.records, samples: samples - this.samples }
  }

  /** Resolves when all that was appended so far has reached the file system, or could not be written: see `problem`. */
  written(): Promise<void> {
    return this.#writer.written()
  }

  /** Writes what waits, syncs, and saves what is committed. What the disk does not take now is lost: `unwritten` says how much. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#writer.close()
    await this.#housekeeping
    // Known as under way: a second one beside it would open the cursor's file a second time, and leave it open.
    this.#housekeeping = this.#keepHouse()
    await this.#housekeeping
    clearTimeout(this.#timer)
    this.#reader.moveTo(this.#end)
    await this.#cursor.sync().catch(() => {})
    await this.#cursor.close()
  }

  #missing(from: Place, to: Place): void {
    const { records, samples } = this.#gaps.add(from, to)
    this.damaged.records += records
    this.damaged.samples += samples
    if (records > 0) {
      const fields = { folder: this.#folder, records, samples }
      this.#logger.error(fields, 'records on disk are damaged or missing: they are lost')
    }
    // With nothing before it that is still wanted, it is done with, and the next start need not find it again.
    if (from.number <= this.#committed.number) this.#commitTo(this.#committed)
  }

  #commitTo(place: Place): void {
    this.#committed = this.#gaps.pass(later(this.#committed, place))
    if (this.#reader.place.number < this.#committed.number) this.#reader.moveTo(this.#committed)
    const { number } = this.#committed
    this.#readRuns.passUpTo(number - 1)
    this.#appendedRuns.passUpTo(number - 1)
    this.#releaseSegments()
    this.#soon()
  }

  /** Takes out of the list the files of which all is committed; they go once the cursor that says so is saved. */
  #releaseSegments(): void {
    for (;;) {
      const [oldest] = this.#segments
      if (oldest === undefined || oldest.end.number > this.#committed.number || this.#writer.isActive(oldest)) break
      this.#segments.shift()
      this.#segmentsBytes -= oldest.bytes
      this.#obsolete.push(oldest)
    }
    if (this.#obsolete.length > 0) this.#housekeeping ??= this.#keepHouse()
  }

  #written(segment: Segment, bytes: number): void {
    if (this.#segments.at(-1) !== segment) {
      this.#segments.push(segment)
      // The one before is not written to any more.
      this.#releaseSegments()
    }
    this.#segmentsBytes += bytes
    this.#soon()
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#housekeeping ??= this.#keepHouse()
      void this.#sync()
    }, HOUSEKEEPING_MS).unref()
  }

  /** Saves the cursor, and removes what is behind it. */
  async #keepHouse(): Promise<void> {
    do {
      const obsolete = this.#obsolete.splice(0)
      const state = { committed: this.#committed, end: this.#writer.first ?? this.#end }
      // Where nothing can be written at all, the writer says so, and the log needs no cursor.
      await this.#cursor
        .save(state)
        .catch((err) => this.#logger.debug({ err, folder: this.#folder }, 'no cursor saved'))
      for (const { path } of obsolete) await this.#remove(path)
    } while (this.#obsolete.length > 0)
    this.#housekeeping = undefined
  }

  async #remove(path: string): Promise<void> {
    await unlink(path).catch((err: NodeJS.ErrnoException) => {
      if (err.code !== 'ENOENT') this.#logger.warn({ err, path }, 'a segment that is done with could not be removed')
    })
  }

  async #sync(): Promise<void> {
    await this.#writer
      .sync()
      .catch((err) => this.#logger.warn({ err, folder: this.#folder }, 'a segment was not synced'))
  }
}

function later(a: Place = ORIGIN, b: Place = ORIGIN): Place {
  return { number: Math.max(a.number, b.number), samples: Math.max(a.samples, b.samples) }
}

const ORIGIN: Place = { number: 0, samples: 0 }
