import type { SegmentLog } from '../../spool/segment-log.ts'
import type { StoreWriter } from '../../store/store.ts'
import type { StateOf } from './modes.ts'
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

/** A batch of a spool, taken out to be written. */
export interface SpooledBatch extends SpoolRecord {
  readonly bytes: number
  /** Only WriteQueue changes it, by the table of `taken` in modes.ts. */
  state: StateOf<'taken'>
}

/** A batch that is taken out, as the log knows it. */
interface TakenOut {
  /** Undefined: this version cannot read it, and its samples are counted as lost. */
  readonly spooled: SpooledBatch | undefined
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
  /** What is taken out, the oldest first. Settled ones stay until all before them are settled: a commit is cumulative. */
  #out: TakenOut[] = []
  /** It had no room when it was asked last. */
  #hasRefused = false
  #isClosing = false
  #isClosed = false
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
    // Damage of which `onLoss` is not told yet is held here.
    let samples = this.#log.samples + this.#unreportedDamage - this.#unwrittenAtEnd
    for (const out of this.#out) {
      // One that is removed is not in the log any more; one that is settled may still be there.
      if (out.isRemoved && !isSettled(out)) samples += out.samples
      else if (!out.isRemoved && isSettled(out)) samples -= out.samples
    }
    return samples
  }

  get bytes(): number {
    return this.#log.bytes
  }

  get records(): number {
    return this.#log.records
  }

  /** Batches that are not taken out. */
  get untaken(): number {
    return this.#log.records - this.#out.filter(({ isRemoved }) => !isRemoved).length
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

  /** Batches that are taken out and not settled, the oldest first. */
  *taken(): IterableIterator<SpooledBatch> {
    for (const { spooled } of this.#out) if (spooled !== undefined && spooled.state !== 'settled') yield spooled
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
   * Takes the next batch out. It stays in the spool until it is `settled`. One call at a time.
   *
   * @returns undefined when there is none
   */
  async takeNext(): Promise<SpooledBatch | undefined> {
    for (;;) {
      const record = await this.#log.next()
      this.reportDamage()
      // What is found after the end stays in the log.
      if (record === undefined || this.#isClosed) return undefined
      // It was dropped on its way here.
      if (this.#log.isCommitted(record.number)) continue
      try {
        const read = readSpoolRecord(record.payload, this.#options.writer)
        const spooled: SpooledBatch = { ...read, bytes: record.payload.length, state: 'waiting' }
        this.#out.push({ ...record, spooled, isRemoved: false })
        return spooled
      } catch {
        // Its checksum is right, but this version cannot read it.
        this.#out.push({ ...record, spooled: undefined, isRemoved: false })
        this.#options.onLoss('spool_damaged', record.samples)
        this.forgetSettled()
      }
    }
  }

  /** Forgets what was taken out and is settled, as far as nothing older waits. */
  forgetSettled(): void {
    for (let oldest = this.#out[0]; oldest !== undefined && isSettled(oldest); oldest = this.#out[0]) {
      this.#out.shift()
      if (!oldest.isRemoved) this.#log.commit(oldest.number)
    }
  }

  /** Tells `onLoss` of what the log has found damaged since the last call. */
  reportDamage(): void {
    const samples = this.#unreportedDamage
    this.#reportedDamage += samples
    if (samples > 0) this.#options.onLoss('spool_damaged', samples)
  }

  /** Writes what waits for the disk. @returns samples that the disk did not take, which end with this process */
  async close(): Promise<number> {
    this.#isClosed = true
    const out = this.#out
    // What the log still has though it is settled: the next process writes it once more, but here it is not held.
    this.#out = out.filter((each) => !each.isRemoved && isSettled(each))
    let lost = 0
    for (const { isRemoved, spooled, payload, samples } of out) {
      if (!isRemoved || spooled?.state === 'settled') continue
      const answer = this.#append([payload], samples)
      // What is dropped `onLoss` was told of.
      if (answer === 'full' || answer === 'busy') lost += samples
    }
    await this.#log.close()
    this.reportDamage()
    // Both counts are of the newest records: those that are unwritten and yet committed were replayed from memory.
    let unwritten = Math.min(this.#log.samples, this.#log.unwritten.samples)
    for (const { number, samples } of this.#out) if (this.#log.isUnwritten(number)) unwritten -= samples
    this.#unwrittenAtEnd = unwritten
    return unwritten + lost
  }

  get #unreportedDamage(): number {
    return this.#log.damaged.samples - this.#reportedDamage
  }

  #append(parts: readonly Buffer[], samples: number): 'kept' | 'dropped' | 'full' | 'busy' {
    const { whenFull, maxBytes, onLoss } = this.#options
    const bytes = parts.reduce((sum, { length }) => sum + length, RECORD_HEADER_BYTES)
    for (;;) {
      if (this.#log.append(parts, samples) !== 'full') return 'kept'
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
  }

  /**
   * Drops the oldest, but never a batch that is taken out: the store may have it any moment.
   *
   * @returns whether there is more room now
   */
  #dropOldest(): boolean {
    const newest = this.#out.at(-1)
    if (newest?.isRemoved === false) this.#log.commit(newest.number)
    for (const out of this.#out) out.isRemoved = true
    const loss = this.#log.dropOldest()
    if (loss !== undefined && loss.samples > 0) this.#options.onLoss('spool_full', loss.samples)
    return loss !== undefined
  }
}

function isSettled({ spooled }: TakenOut): boolean {
  return spooled === undefined || spooled.state === 'settled'
}
