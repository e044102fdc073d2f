import { mkdir } from 'node:fs/promises'
import type { Logger } from 'pino'

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
}

export interface LogRecord {
  /** From 0, ever rising, over restarts too. */
  readonly number: number
  /** Belongs to the reader: stays as it is. */
  readonly payload: Buffer
  readonly samples: number
}

/** What went: records, the samples in them. */
export interface Loss {
  readonly records: number
  readonly samples: number
}

/** Opens the log of a folder. Nothing that the folder holds, nor that it cannot be written to, keeps it from opening: see `problem`. */
export async function openSegmentLog(options: SegmentLogOptions): Promise<SegmentLog> {
  await mkdir(options.folder, { recursive: true }).catch(() => {})
  return new SegmentLog(options)
}

/** A log of opaque records. */
export class SegmentLog {
  /** Found since the start: parts that no longer hold what was written. */
  readonly damaged = { records: 0, samples: 0, bytes: 0 }
  readonly #maxBytes: number
  #records: LogRecord[] = []
  #nextNumber = 0
  #readNumber = 0
  #bytes = 0
  #samples = 0

  constructor({ maxBytes }: SegmentLogOptions) {
    this.#maxBytes = maxBytes
  }

  /** '' while the disk takes what it is given, else what is wrong, in words. */
  get problem(): string {
    return ''
  }

  /** What it holds, not committed. */
  get records(): number {
    return this.#records.length
  }

  get samples(): number {
    return this.#samples
  }

  get bytes(): number {
    return this.#bytes
  }

  /** What waits in memory for the disk; after `close`, what is lost because the disk did not take it. */
  get unwritten(): Loss {
    return { records: 0, samples: 0 }
  }

  /**
   * Adds a record of the parts, one after the other. Takes the buffers over, copies nothing, and writes soon, in order.
   *
   * @returns the record's number, or `full`
   */
  append(parts: readonly Buffer[], samples: number): number | 'full' {
    const payload = Buffer.concat(parts)
    if (this.#records.length > 0 && this.#bytes + payload.length > this.#maxBytes) return 'full'
    this.#records.push({ number: this.#nextNumber, payload, samples })
    this.#bytes += payload.length
    this.#samples += samples
    return this.#nextNumber++
  }

  /** The next record in order; undefined when there is none now. One call at a time. */
  async next(): Promise<LogRecord | undefined> {
    const record = this.#records.find(({ number }) => number >= this.#readNumber)
    if (record !== undefined) this.#readNumber = record.number + 1
    return record
  }

  /** `next` begins again with the oldest record that is not committed. */
  rewind(): void {
    this.#readNumber = 0
  }

  /** All records up to this number, which `append` or `next` gave, are done with. */
  commit(upTo: number): void {
    this.#release(this.#records.filter(({ number }) => number <= upTo))
  }

  /** Gives up the oldest segment. @returns what of it was not committed; undefined when there is nothing to give up */
  dropOldest(): Loss | undefined {
    const gone = this.#records.slice(0, 1)
    this.#release(gone)
    return gone[0] && { records: 1, samples: gone[0].samples }
  }

  /** Resolves when all that was appended so far has reached the file system, or could not be written: see `problem`. */
  async written(): Promise<void> {}

  /** Writes what waits, syncs, and saves what is committed. */
  async close(): Promise<void> {}

  #release(gone: readonly LogRecord[]): void {
    this.#records = this.#records.filter((record) => !gone.includes(record))
    for (const { payload, samples } of gone) {
      this.#bytes -= payload.length
      this.#samples -= samples
    }
  }
}
