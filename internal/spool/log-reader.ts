import type { Logger } from 'pino'
import { mayBeReadLater } from './disk-problem.ts'
import type { Files } from './files.ts'
import type { Place, SegmentName } from './segment-format.ts'
import { SegmentReader } from './segment-reader.ts'
import type { StoredRecord } from './segment-scanner.ts'
import type { Segment, SegmentWriter } from './segment-writer.ts'

export interface LogReaderOptions {
  /** Oldest first; changes while it is read. */
  readonly segments: readonly Segment[]
  /** Its records, which wait in memory, follow those of the segments. */
  readonly writer: Pick<SegmentWriter, 'get' | 'first'>
  /** The place behind the newest record. */
  readonly end: () => Place
  /** Called with lost records. */
  readonly onMissing: (from: Place, to: Place) => void
  readonly logger: Logger
  readonly files: Files
}

/** Reads the records of a log in order: segment by segment, then those that wait for the disk. */
export class LogReader {
  readonly #options: LogReaderOptions
  /** The place of the next record. */
  #place: Place
  #reading: { readonly segment: Segment; readonly file: Promise<SegmentReader> } | undefined
  /** Counts calls of `moveTo`, so that `next` notices one that came while it waited for the disk. */
  #moves = 0
  #problem = ''

  constructor(options: LogReaderOptions, place: Place) {
    this.#options = options
    this.#place = place
  }

  get place(): Place {
    return this.#place
  }

  /** Why the next record cannot be read now, though perhaps later; '' when it can. */
  get problem(): string {
    return this.#problem
  }

  /** Goes on from a place further on. */
  moveTo(place: Place): void {
    this.#place = place
    this.#moves++
    this.#leaveFile()
  }

  /** The next intact record; undefined when there is none now. One call at a time. */
  async next(): Promise<StoredRecord | undefined> {
    const { writer, end } = this.#options
    while (this.#place.number < end().number) {
      const pending = writer.get(this.#place.number)
      if (pending !== undefined) {
        const { place, parts, samples: sampleCount } = pending
        this.#place = { number: place.number + 1, samples: place.samples + sampleCount }
        return { place, end: this.#place, sampleCount, payload: parts.length === 1 ? parts[0]! : Buffer.concat(parts) }
      }
      const moves = this.#moves
      const found = await this.#readOn()
      if (moves !== this.#moves) continue
      if (found === 'not now') return undefined
      if (found === 'nothing more') {
        this.#goBehindSegment()
        continue
      }
      // It was committed before the last restart.
      if (found.place.number < this.#place.number) continue
      this.#passOver(found.place)
      this.#place = found.end
      return found
    }
    return undefined
  }

  /** The next intact record of the segment in which the place is. */
  async #readOn(): Promise<StoredRecord | 'nothing more' | 'not now'> {
    const moves = this.#moves
    const segment = this.#reading?.segment ?? this.#options.segments.findLast(({ name }) => this.#isBegun(name))
    if (segment === undefined) return 'nothing more'
    this.#reading ??= { segment, file: SegmentReader.open(segment.path, segment.name, this.#options.files) }
    try {
      const file = await this.#reading.file
      if (moves !== this.#moves) return 'not now'
      const record = await file.next(segment.bytes)
      this.#problem = ''
      return record ?? 'nothing more'
    } catch (error) {
      return moves === this.#moves ? this.#failed(segment, error) : 'not now'
    }
  }

  /** Whether the place is in a segment, or behind it. */
  #isBegun({ first }: SegmentName): boolean {
    return first.number <= this.#place.number
  }

  #failed({ path }: Segment, error: unknown): 'nothing more' | 'not now' {
    if (!mayBeReadLater(error)) {
      this.#options.logger.error({ err: error, path }, 'a segment cannot be read, its records are lost')
      return 'nothing more'
    }
    this.#problem = `${path} cannot be read: ${(error as Error).message}; it is tried again`
    this.#leaveFile()
    return 'not now'
  }

  /** Goes to the next segment, or to what waits in memory, or to the end. */
  #goBehindSegment(): void {
    const { segments, writer, end } = this.#options
    const after =
      this.#reading === undefined
        ? segments.find(({ name }) => !this.#isBegun(name))
        : segments[segments.indexOf(this.#reading.segment) + 1]
    this.#leaveFile()
    this.#passOver(after?.name.first ?? writer.first ?? end())
  }

  /** Goes on to a place. The records in between are lost. */
  #passOver(to: Place): void {
    const from = this.#place
    if (to.number <= from.number) return
    this.#place = to
    this.#options.onMissing(from, to)
  }

  #leaveFile(): void {
    this.#reading?.file.then((file) => file.close()).catch(() => {})
    this.#reading = undefined
  }
}
