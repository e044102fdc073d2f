import type { SegmentLog } from '../../spool/segment-log.ts'
import type { StoreWriter } from '../../store/store.ts'
import { readSpoolRecord, type SpoolRecord, writeSpoolRecord } from './spool-record.ts'

/** What a full spool does: it takes nothing more, or drops its oldest batches, or drops the batch that comes. */
export type WhenFull = 'block' | 'drop-oldest' | 'drop-newest'

export interface BatchSpoolOptions {
  /** Closed with the spool. */
  readonly log: SegmentLog
  /** The log's own bound. */
  readonly maxBytes: number
  readonly whenFull: WhenFull
  readonly writer: Pick<StoreWriter, 'batchOf'>
  /** Told of samples that the spool has lost. */
  readonly onLoss: (reason: 'spool_full' | 'spool_damaged', samples: number) => void
}

/** The oldest batch of a spool, taken out to be written. */
export interface SpooledBatch extends SpoolRecord {
  readonly bytes: number
}

/** The batch that is taken out, as the log knows it. */
interface TakenOut {
  readonly spooled: SpooledBatch
  readonly number: number
  readonly samples: number
  readonly payload: Buffer
  /** True once the log has removed its record to make room: the batch is then in memory alone. */
  isRemoved: boolean
}

/**
 * A spool that blocks takes nothing more beyond the first part of its bound, and takes batches again below the second.
 * Without the distance it would change with every batch that is replayed. The rest above is for what is in memory at a
 * stop.
 */
const BLOCKED_AT = 0.95
const ROOM_AT = 0.9
/** What the log puts before each record. */
const RECORD_HEADER_BYTES = 36

/** Batches that wait on disk for the store, over restarts too, the oldest first. */
export class BatchSpool {
  #options: BatchSpoolOptions
  readonly #log: SegmentLog
  #out: TakenOut | undefined
  /** It had no room when it was asked last. */
  #hasRefused = false
  #isClosing = false
  /** Samples that the disk had not taken at the end. */
  #unwrittenAtEnd = 0
  /** The part of the damaged samples that `onLoss` was told of. */
  #reportedDamage = 0
  /** Samples found at the start, the damaged among them. */
  readonly takenOver: number

  constructor(options: BatchSpoolOptions) {
    this.#options = options
    this.#log = options.log
    this.takenOver = this.#log.samples + this.#log.damaged.samples
  }

  /** Changes the bound. Batches beyond a smaller one stay. */
  reconfigure(bounds: Pick<BatchSpoolOptions, 'maxBytes' | 'whenFull'>): void {
    this.#options = { ...this.#options, ...bounds }
    this.#log.maxBytes = bounds.maxBytes
    this.#hasRefused = false
  }

  get samples(): number {
    return this.#log.samples + (this.#out?.isRemoved ? this.#out.samples : 0) - this.#unwrittenAtEnd
  }

  get bytes(): number {
    return this.#log.bytes
  }

  get records(): number {
    return this.#log.records
  }

  /** What is wrong with the disk, in words; '' while it takes data. */
  get problem(): string {
    return this.#log.problem
  }

  /** It had no room when it was asked last, and has none yet. */
  get isBlocked(): boolean {
    const { maxBytes } = this.#options
    if (this.#hasRefused && this.#log.problem === '' && this.#log.bytes < maxBytes * ROOM_AT) this.#hasRefused = false
    return this.#hasRefused
  }

  /** The batch that is taken out. */
  get oldest(): SpooledBatch | undefined {
    return this.#out?.spooled
  }

  /**
   * Takes a copy of a batch in, or counts it as dropped.
   *
   * @returns `full`: it was not taken, see `isBlocked`; `busy`: it was not taken because the disk is behind, see
   *   `written`
   */
  put(record: SpoolRecord): 'kept' | 'dropped' | 'full' | 'busy' {
    const { whenFull, maxBytes } = this.#options
    if (whenFull === 'block' && !this.#isClosing && this.#log.bytes > maxBytes * BLOCKED_AT) this.#hasRefused = true
    return this.isBlocked ? 'full' : this.#append(writeSpoolRecord(record), record.batch.samples)
  }

  /** Uses the whole bound from now on: at a stop nothing can be held back any more. */
  takeAll(): void {
    this.#isClosing = true
    this.#hasRefused = false
  }

  /** Waits for the file system. @returns whether it has everything that was put in before the call */
  async written(): Promise<boolean> {
    await this.#log.written()
    return this.#log.problem === ''
  }

  /**
   * Takes the oldest batch out. It stays in the spool until `done`. One call at a time.
   *
   * @returns undefined when there is none
   */
  async takeOldest(): Promise<SpooledBatch | undefined> {
    for (;;) {
      const record = await this.#log.next()
      this.reportDamage()
      if (record === undefined) return undefined
      try {
        const spooled = { ...readSpoolRecord(record.payload, this.#options.writer), bytes: record.payload.length }
        this.#out = { ...record, spooled, isRemoved: false }
        return spooled
      } catch {
        // Its checksum is right, but this version cannot read it.
        this.#log.commit(record.number)
        this.#options.onLoss('spool_damaged', record.samples)
      }
    }
  }

  /** The batch that was taken out is written: the spool forgets it. */
  done(): void {
    if (this.#out?.isRemoved === false) this.#log.commit(this.#out.number)
    this.#out = undefined
  }

  /** Tells `onLoss` of what the log has found damaged since the last call. */
  reportDamage(): void {
    const { samples } = this.#log.damaged
    if (samples > this.#reportedDamage) this.#options.onLoss('spool_damaged', samples - this.#reportedDamage)
    this.#reportedDamage = samples
  }

  /** Writes what waits for the disk. @returns samples that the disk did not take, which end with this process */
  async close(): Promise<number> {
    const out = this.#out
    this.#out = undefined
    const isLost = out?.isRemoved === true && this.#append([out.payload], out.samples) !== 'kept'
    await this.#log.close()
    // Both counts are of the newest records: those that are unwritten and yet committed were replayed from memory.
    this.#unwrittenAtEnd = Math.min(this.#log.samples, this.#log.unwritten.samples)
    return isLost ? this.#unwrittenAtEnd + out.samples : this.#unwrittenAtEnd
  }

  #append(parts: readonly Buffer[], samples: number): 'kept' | 'dropped' | 'full' | 'busy' {
    const { whenFull, maxBytes, onLoss } = this.#options
    const bytes = parts.reduce((sum, { length }) => sum + length, RECORD_HEADER_BYTES)
    while (this.#log.append(parts, samples) === 'full') {
      // Dropping helps against a full spool, not against a disk that takes nothing.
      const isOverBound = this.#log.bytes + bytes > maxBytes
      if (this.#log.problem === '' && !isOverBound) return 'busy'
      if (this.#log.problem !== '' || whenFull === 'block') {
        this.#hasRefused = true
        return 'full'
      }
      if (whenFull === 'drop-newest') {
        onLoss('spool_full', samples)
        return 'dropped'
      }
      if (!this.#dropOldest()) return 'busy'
    }
    return 'kept'
  }

  /**
   * Drops the oldest, but never the batch that is taken out: the store may have it any moment.
   *
   * @returns whether there is more room now
   */
  #dropOldest(): boolean {
    if (this.#out?.isRemoved === false) {
      this.#log.commit(this.#out.number)
      this.#out.isRemoved = true
    }
    const loss = this.#log.dropOldest()
    if (loss !== undefined && loss.samples > 0) this.#options.onLoss('spool_full', loss.samples)
    return loss !== undefined
  }
}
