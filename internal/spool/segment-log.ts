import type { Logger } from 'pino'
import { Cursor, type CursorState } from './cursor.ts'
import { type Files, realFiles } from './files.ts'
import { Gaps, type Loss } from './gaps.ts'
import { Housekeeping } from './housekeeping.ts'
import { LogReader } from './log-reader.ts'
import { PlaceIndex } from './place-index.ts'
import { endOf, listSegments } from './segment-folder.ts'
import { type Place, RECORD_HEADER_BYTES } from './segment-format.ts'
import { type Segment, SegmentWriter } from './segment-writer.ts'

export type { Loss }

export interface SegmentLogOptions {
  /** Made where it is missing; belongs to one process at a time (`lockFolder`). */
  readonly folder: string
  /** Bound of the log on disk. A log that is empty takes a record of any size. */
  readonly maxBytes: number
  /** The size at which the next file begins; by default a sixteenth of `maxBytes`, within 64 KiB and 32 MiB. */
  readonly segmentBytes?: number
  /** What may wait in memory for the disk; 8 MiB by default. */
  readonly maxUnwrittenBytes?: number
  readonly logger: Logger
  /** A test gives others, which are slow or fail. */
  readonly files?: Files
}

export interface LogRecord {
  /** From 0, rising by 1, over restarts too. */
  readonly number: number
  /** Belongs to the reader: the log does not change it. */
  readonly payload: Buffer
  readonly samples: number
}

const KIB = 1024
const MIB = 1024 * KIB
const DEFAULT_UNWRITTEN_BYTES = 8 * MIB
/** How often a disk is tried that nothing is written to. */
const PROBE_EVERY_MS = 10_000

/**
 * Opens the log of a folder. Always opens: `problem` says what is wrong with the folder. It takes the same time however
 * much there is: only the last file is read, to find its end.
 */
export async function openSegmentLog(options: SegmentLogOptions): Promise<SegmentLog> {
  const { folder, logger, files = realFiles } = options
  const cursor = new Cursor(folder, files)
  let saved: CursorState | undefined
  let segments: Segment[]
  let lastEnd: Place | undefined
  try {
    saved = await cursor.load()
    segments = await listSegments(folder, files)
    lastEnd = await endOf(segments, saved?.end.number ?? -1, { logger, files })
  } catch (error) {
    logger.error({ err: error, folder }, 'the folder of a log cannot be read: its records wait for the next start')
    return openUnread(options, saved?.end ?? ORIGIN, error)
  }
  const end = later(lastEnd, saved?.end)
  const committed = saved?.committed ?? segments[0]?.name.first ?? end
  const log = new SegmentLog(options, { cursor, segments, committed, end: later(end, committed) })
  await log.probe()
  return log
}

/**
 * A folder that cannot be read now is not written to, and its cursor stays: a new one would say that all records there
 * are committed.
 */
async function openUnread(options: SegmentLogOptions, end: Place, error: unknown): Promise<SegmentLog> {
  const fail = (): Promise<never> => Promise.reject(error)
  const cursor = { save: fail, sync: async () => {}, close: async () => {} }
  const files = { ...(options.files ?? realFiles), open: fail }
  const log = new SegmentLog({ ...options, files }, { cursor, segments: [], committed: end, end })
  await log.probe()
  return log
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
 * What `written` has confirmed survives the end of the process, also `kill -9`, because the file system has it. A power
 * cut may take the last second, because the log is synced once a second. The commit is saved as often, so after `kill
 * -9` records of the last second may be read a second time. Readers must tolerate that.
 *
 * A part that cannot be read any more (cut, flipped bits, a file that is gone) is passed over, and the records lost in
 * it are counted. The count is exact, because the intact records around the part carry their numbers. The last record
 * has no record after it: unless the cursor knows more, an unreadable rest there counts as one record without samples.
 *
 * A file is removed once all its records are committed.
 */
export class SegmentLog {
  /** Lost records that `next` has found since the start. `records` and `samples` count without them. */
  readonly damaged = { records: 0, samples: 0 }
  /** May be set while the log is open. Records beyond a smaller bound stay. */
  maxBytes: number
  readonly #folder: string
  readonly #logger: Logger
  readonly #maxUnwrittenBytes: number
  readonly #writer: SegmentWriter
  /** Oldest first: those with records that are not committed, and the one that is written to. */
  readonly #segments: Segment[]
  #segmentsBytes = 0
  #committed: Place
  #end: Place
  /** Where an earlier process ended and this one began. */
  readonly #begin: number
  readonly #gaps = new Gaps()
  /** Of records that an earlier process left, as far as they are read. */
  readonly #readPlaces = new PlaceIndex()
  /** Of those that this process appended. */
  readonly #appendedPlaces = new PlaceIndex()
  readonly #reader: LogReader
  readonly #housekeeping: Housekeeping
  readonly #probing: NodeJS.Timeout
  #probed: Promise<void> | undefined
  #isClosed = false

  constructor(options: SegmentLogOptions, { cursor, segments, committed, end }: Found) {
    const { folder, maxBytes, logger, files = realFiles } = options
    this.#folder = folder
    this.#logger = logger
    this.maxBytes = maxBytes
    this.#maxUnwrittenBytes = options.maxUnwrittenBytes ?? DEFAULT_UNWRITTEN_BYTES
    this.#segments = segments
    for (const { bytes } of segments) this.#segmentsBytes += bytes
    this.#committed = committed
    this.#end = end
    this.#begin = end.number
    this.#writer = new SegmentWriter({
      folder,
      segmentBytes: options.segmentBytes ?? Math.min(Math.max(64 * KIB, maxBytes / 16), 32 * MIB),
      ...{ logger, files },
      onWritten: (segment, bytes) => this.#written(segment, bytes),
    })
    this.#reader = new LogReader(
      {
        segments,
        writer: this.#writer,
        end: () => this.#end,
        onMissing: (from, to) => this.#missing(from, to),
        ...{ logger, files },
      },
      committed,
    )
    this.#housekeeping = new Housekeeping({
      ...{ folder, cursor, logger, files },
      state: () => ({ committed: this.#committed, end: this.#writer.first ?? this.#end }),
      sync: () => this.#writer.sync(),
    })
    this.#releaseSegments()
    this.#probing = setInterval(() => void this.probe(), PROBE_EVERY_MS).unref()
  }

  /** Finds out whether the disk takes anything, where nothing is written to it now. `problem` then says so. */
  probe(): Promise<void> {
    this.#probed ??= this.#writer.probe().finally(() => {
      this.#probed = undefined
    })
    return this.#probed
  }

  /** What is wrong with the disk, in words; '' while it can be written and read. */
  get problem(): string {
    return this.#writer.problem || this.#reader.problem
  }

  /** Records that are not committed. */
  get records(): number {
    return this.#end.number - this.#committed.number - this.#gaps.records
  }

  /** Samples in them. */
  get samples(): number {
    return Math.max(0, this.#end.samples - this.#committed.samples - this.#gaps.samples)
  }

  /** Size of the files, and of what waits for the disk. */
  get bytes(): number {
    return this.records === 0 ? 0 : this.#segmentsBytes + this.#writer.bytes
  }

  /** What waits in memory for the disk. After `close`: what is lost because the disk did not take it. */
  get unwritten(): Loss {
    return { records: this.#writer.records, samples: this.#writer.samples }
  }

  /** Whether a record waits in memory for the disk. After `close`: whether it is lost. */
  isUnwritten(number: number): boolean {
    return this.#writer.get(number) !== undefined
  }

  /** Whether a record is committed, or dropped. */
  isCommitted(number: number): boolean {
    return number < this.#committed.number
  }

  /** Whether half as much waits for the disk as may: `append` says `full` at twice that. */
  get isBehind(): boolean {
    return 2 * this.#writer.bytes > this.#maxUnwrittenBytes
  }

  /** The oldest file and the numbers of its records, `[from, to)`; undefined while records are added to that file. */
  get oldest(): { readonly path: string; readonly from: number; readonly to: number } | undefined {
    const [segment] = this.#segments
    if (segment === undefined || this.#writer.isActive(segment)) return undefined
    return { path: segment.path, from: segment.name.first.number, to: segment.end.number }
  }

  /**
   * Adds a record made of the parts, one after the other. Keeps the buffers without a copy, and writes them soon, in
   * order.
   *
   * @returns the record's number; or `full`: the log has reached its bound, or too much waits for a disk that is slow
   *   or takes nothing
   */
  append(parts: readonly Buffer[], samples: number): number | 'full' {
    if (this.#isClosed) throw new Error(`the log in ${this.#folder} is closed`)
    let bytes = RECORD_HEADER_BYTES
    for (const part of parts) bytes += part.length
    if (this.records > 0 && this.bytes + bytes > this.maxBytes) return 'full'
    if (this.#writer.records > 0 && this.#writer.bytes + bytes > this.#maxUnwrittenBytes) return 'full'
    const place = this.#end
    this.#end = { number: place.number + 1, samples: place.samples + samples }
    this.#appendedPlaces.add(place, samples)
    this.#writer.push({ place, samples, parts, bytes })
    return place.number
  }

  /**
   * The next record in order; undefined when there is none now, or when it cannot be read now (see `problem`). One call
   * at a time.
   */
  async next(): Promise<LogRecord | undefined> {
    const record = await this.#reader.next()
    if (record === undefined) return undefined
    const { place, sampleCount, payload } = record
    if (place.number < this.#begin) this.#readPlaces.add(place, sampleCount)
    return { number: place.number, payload, samples: sampleCount }
  }

  /** Commits all records up to this number, which `append` or `next` returned: they are not needed any more. */
  commit(upTo: number): void {
    if (upTo < this.#committed.number) return
    const isOfThisProcess = upTo >= this.#begin
    const place = isOfThisProcess ? this.#appendedPlaces.passUpTo(upTo) : this.#readPlaces.passUpTo(upTo)
    if (place !== undefined) this.#commitTo(place)
  }

  /**
   * Drops the oldest segment; or, where the disk has taken nothing, all that waits for it.
   *
   * @returns the records that were dropped; undefined when nothing can be dropped now
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

  /**
   * Resolves when all that was appended before the call has reached the file system, or could not be written: see
   * `problem`.
   */
  written(): Promise<void> {
    return this.#writer.written()
  }

  /** Whether the file system has a record that `append` returned: then it survives the end of this process. */
  hasWritten(number: number): boolean {
    const { first } = this.#writer
    return first === undefined || number < first.number
  }

  /**
   * Writes what waits, syncs, and saves the commit. What the disk does not take now is lost: `unwritten` says how much.
   */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#probing)
    await this.#probed
    await this.#writer.close()
    this.#reader.moveTo(this.#end)
    await this.#housekeeping.close()
  }

  #missing(from: Place, to: Place): void {
    const { records, samples } = this.#gaps.add(from, to)
    this.damaged.records += records
    this.damaged.samples += samples
    if (records > 0) {
      const fields = { folder: this.#folder, records, samples }
      this.#logger.error(fields, 'records on disk are damaged or missing: they are lost')
    }
    // Where all before it is committed, so is the gap: the next start does not count it again.
    if (from.number <= this.#committed.number) this.#commitTo(this.#committed)
  }

  #commitTo(place: Place): void {
    this.#committed = this.#gaps.pass(later(this.#committed, place))
    if (this.#reader.place.number < this.#committed.number) this.#reader.moveTo(this.#committed)
    const { number } = this.#committed
    this.#readPlaces.passUpTo(number - 1)
    this.#appendedPlaces.passUpTo(number - 1)
    this.#releaseSegments()
    this.#housekeeping.soon()
  }

  /** Removes the files whose records are all committed. */
  #releaseSegments(): void {
    const released: string[] = []
    for (;;) {
      const [oldest] = this.#segments
      if (oldest === undefined || oldest.end.number > this.#committed.number || this.#writer.isActive(oldest)) break
      this.#segments.shift()
      this.#segmentsBytes -= oldest.bytes
      released.push(oldest.path)
    }
    this.#housekeeping.remove(released)
  }

  #written(segment: Segment, bytes: number): void {
    if (this.#segments.at(-1) !== segment) {
      this.#segments.push(segment)
      // The segment before it is complete now.
      this.#releaseSegments()
    }
    this.#segmentsBytes += bytes
    this.#housekeeping.soon()
  }
}

function later(a: Place = ORIGIN, b: Place = ORIGIN): Place {
  return { number: Math.max(a.number, b.number), samples: Math.max(a.samples, b.samples) }
}

const ORIGIN: Place = { number: 0, samples: 0 }
