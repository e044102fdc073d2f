import type { SegmentLog } from '../../spool/segment-log.ts'
import type { StoreWriter } from '../../store/store.ts'
import { readSpoolRecord, type SpoolRecord, writeSpoolRecord } from './spool-record.ts'

/** What a full spool does: takes nothing more, or makes room, or lets what comes go. */
export type WhenFull = 'block' | 'drop-oldest' | 'drop-newest'

export interface BatchSpoolOptions {
  /** Closed with the spool. */
  readonly log: SegmentLog
  /** The log's own bound. */
  readonly maxBytes: number
  readonly whenFull: WhenFull
  readonly writer: Pick<StoreWriter, 'batchOf'>
  /** Samples that are gone. */
  readonly onLoss: (reason: 'spool_full' | 'spool_damaged', samples: number) => void
}

/** The oldest batch of a spool, taken out to be written. */
export interface SpooledBatch extends SpoolRecord {
  readonly bytes: number
}

/**
 * A spool that blocks takes nothing more beyond this part of its bound, and takes batches again once it is emptier than the second: not for each
 * that is replayed, which would be a flutter. The rest is for what is in memory at a stop.
 */
const BLOCKED_AT = 0.95
const ROOM_AT = 0.9
/** What the log puts before each record. */
const RECORD_HEADER_BYTES = 36

/** Batches that wait on disk for the store, over restarts too, the oldest first. */
export class BatchSpool {
  #options: BatchSpoolOptions
  readonly #log: SegmentLog
  /** The batch that is out. `ownRecord` once the log has let go of it to make room: then it is held here alone. */
  #out: { readonly number: number; readonly samples: number; readonly payload: Buffer; ownRecord: boolean } | undefined
  #refused = false
  #isClosing = false
  /** Samples that the disk had not taken at the end. */
  #gone = 0
  /** Of what the log has found damaged, the part that has been accounted for. */
  #damagedSamples = 0
  /** Samples found at the start, the damaged among them. */
  readonly takenOver: number

  constructor(options: BatchSpoolOptions) {
    this.#options = options
    this.#log = options.log
    this.takenOver = this.#log.samples + this.#log.damaged.samples
  }

  /** Goes by these from now on. What it holds beyond a smaller bound stays. */
  reconfigure(bounds: Pick<BatchSpoolOptions, 'maxBytes' | 'whenFull'>): void {
    this.#options = { ...this.#options, ...bounds }
    this.#log.maxBytes = bounds.maxBytes
    this.#refused = false
  }

  get samples(): number {
    return this.#log.samples + (this.#out?.ownRecord ? this.#out.samples : 0) - this.#gone
  }

  get bytes(): number {
    return this.#log.bytes
  }

  get records(): number {
    return this.#log.records
  }

  /** What is wrong with the disk, in words; '' while it takes what it is given. */
  get problem(): string {
    return this.#log.problem
  }

  /** It took nothing more when it was asked last, and there is no room yet. */
  get isBlocked(): boolean {
    const { maxBytes } = this.#options
    if (this.#refused && this.#log.problem === '' && this.#log.bytes < maxBytes * ROOM_AT) this.#refused = false
    return this.#refused
  }

  /**
   * Takes a copy of a batch in, or counts it as dropped.
   *
   * @returns `full`: it was not taken, see `isBlocked`; `busy`: not now, because the disk is behind: `written` waits for it
   */
  put(record: SpoolRecord): 'kept' | 'dropped' | 'full' | 'busy' {
    const { whenFull, maxBytes } = this.#options
    if (whenFull === 'block' && !this.#isClosing && this.#log.bytes > maxBytes * BLOCKED_AT) this.#refused = true
    return this.isBlocked ? 'full' : this.#append(writeSpoolRecord(record), record.batch.samples)
  }

  /** From now on takes what it has room for: nothing can be held back any more. */
  takeAll(): void {
    this.#isClosing = true
    this.#refused = false
  }

  /** Waits for the file system. @returns whether it has everything that was put in before the call */
  async written(): Promise<boolean> {
    await this.#log.written()
    return this.#log.problem === ''
  }

  /** Takes the oldest batch out; it stays in the spool until `done`. undefined when there is none. */
  async takeOldest(): Promise<SpooledBatch | undefined> {
    for (;;) {
      const record = await this.#log.next()
      this.accountForDamage()
      if (record === undefined) return undefined
      try {
        const read = readSpoolRecord(record.payload, this.#options.writer)
        this.#out = { ...record, ownRecord: false }
        return { ...read, bytes: record.payload.length }
      } catch {
        // Whole by its checksum, and yet nothing that this version can read.
        this.#log.commit(record.number)
        this.#options.onLoss('spool_damaged', record.samples)
      }
    }
  }

  /** The batch that was taken out is written: the spool forgets it. */
  done(): void {
    if (this.#out?.ownRecord === false) this.#log.commit(this.#out.number)
    this.#out = undefined
  }

  /** Counts what the log has found damaged since. */
  accountForDamage(): void {
    const { samples } = this.#log.damaged
    if (samples > this.#damagedSamples) this.#options.onLoss('spool_damaged', samples - this.#damagedSamples)
    this.#damagedSamples = samples
  }

  /** Writes what waits. @returns samples that the disk did not take, and that are gone with this process */
  async close(): Promise<number> {
    const out = this.#out
    this.#out = undefined
    const isLost = out?.ownRecord === true && this.#append([out.payload], out.samples) !== 'kept'
    await this.#log.close()
    // Both are the newest: what is unwritten and yet committed has been replayed from memory.
    this.#gone = Math.min(this.#log.samples, this.#log.unwritten.samples)
    return isLost ? this.#gone + out.samples : this.#gone
  }

  #append(parts: readonly Buffer[], samples: number): 'kept' | 'dropped' | 'full' | 'busy' {
    const { whenFull, maxBytes, onLoss } = this.#options
    const bytes = parts.reduce((sum, { length }) => sum + length, RECORD_HEADER_BYTES)
    while (this.#log.append(parts, samples) === 'full') {
      // To drop helps against a full spool, not against a disk that takes nothing.
      const isOverBound = this.#log.bytes + bytes > maxBytes
      if (this.#log.problem === '' && !isOverBound) return 'busy'
      if (this.#log.problem !== '' || whenFull === 'block') {
        this.#refused = true
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

  /** The batch that is out does not go: it may be stored any moment. @returns whether there is more room now */
  #dropOldest(): boolean {
    if (this.#out?.ownRecord === false) {
      this.#log.commit(this.#out.number)
      this.#out.ownRecord = true
    }
    const loss = this.#log.dropOldest()
    if (loss !== undefined && loss.samples > 0) this.#options.onLoss('spool_full', loss.samples)
    return loss !== undefined
  }
}
