import type { Logger } from 'pino'
import type { Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { Batch, StoreWriter, WriteResult } from '../store/store.ts'
import { Backoff } from './backoff.ts'

export interface BatcherOptions {
  readonly writer: StoreWriter
  readonly logger: Logger
  /** Bounds of a batch's age at sealing while a slot is free, ms. */
  readonly flushMinMs: number
  readonly flushMaxMs: number
  /** Bound of the sealed batches that wait or are being written, bytes. */
  readonly queueMaxBytes: number
  readonly on: BatcherEvents
}

/** What the batcher tells its owner. None of them may throw. */
export interface BatcherEvents {
  /** A batch is stored or refused for good, and so are all before it. */
  settled(batch: SettledBatch): void
  /** Nothing of the deliveries up to this one is held any more. */
  ack(upTo: number): void
  /** The queue is over its bound (true), or back under half of it (false). */
  full(isFull: boolean): void
}

export interface SettledBatch {
  readonly result: Extract<WriteResult, { next: 'ack' }>
  readonly samples: number
  /** `sentAt` of the messages that ended in this batch, µs: the first `messages` entries. Valid only during the call. */
  readonly sentAt: Float64Array
  readonly messages: number
}

/** How much of the store's recent write time an open batch waits for more: found by trying; 1 makes a near store write scraps. */
const AGE_IN_WRITE_TIMES = 4
/** Weight of the newest write in the running mean of the write time. */
const NEWEST_WEIGHT = 0.2

interface OpenBatch {
  readonly batch: Batch
  /** By the monotonic timer, as all durations here: the wall clock may be set back by hours. */
  readonly openedAtMs: number
  /** Samples that no message brought. */
  own: number
  /** The last delivery whose samples are all in this batch or an earlier one; 0 where none ended here. */
  upTo: number
  sentAt: Float64Array<ArrayBuffer>
  messages: number
  state: 'waiting' | 'writing' | 'settled'
  result: Extract<WriteResult, { next: 'ack' }> | undefined
}

/**
 * Decides when a batch is sealed and in what order batches settle; it alone does.
 *
 * One batch is **open** and takes samples. It is sealed when it is full, or when the store has a free slot and the batch is old
 * enough: four times the recent write time, within bounds. So a near store gets small batches soon, a far or busy one gets
 * few large ones, and nothing needs tuning. Sealed batches **wait** in order, are **written** up to `limits.inFlight` at a time,
 * and **settle** strictly in order, whichever answer comes first: an ack is cumulative.
 *
 * While the store is **away** (a write said retry or wait) only the oldest batch is tried again, with a growing pause; the others
 * wait. The queue is bounded in bytes; over the bound `add` says so, and the owner holds the broker back or drops.
 */
export class Batcher {
  readonly #writer: StoreWriter
  readonly #logger: Logger
  readonly #options: BatcherOptions
  readonly #on: BatcherEvents
  readonly #backoff = new Backoff({ firstMs: 250, largestMs: 30_000 })
  /** Sealed batches, the oldest first. */
  readonly #sealed: OpenBatch[] = []
  readonly #abort = new AbortController()
  #open: OpenBatch | undefined
  #sealedBytes = 0
  #writing = 0
  #full = false
  /** '' while the store takes batches, else its last problem. */
  #problem = ''
  #retryTimer: NodeJS.Timeout | undefined
  #sealTimer: NodeJS.Timeout | undefined
  #meanWriteMs = 0
  #onIdle: Array<() => void> = []
  /** Settled batches' arrays, used again: at 100,000 messages/s they would be 0.8 MB/s of garbage. */
  readonly #spareTimes: Float64Array<ArrayBuffer>[] = []
  /** Writes begun, and those of them that had to be tried again. */
  writes = 0
  retries = 0
  /** False where the broker holds messages back: what it had already read comes in over the bound, and nothing is dropped. */
  dropsWhenFull = true

  constructor(options: BatcherOptions) {
    this.#options = options
    this.#writer = options.writer
    this.#logger = options.logger
    this.#on = options.on
  }

  /** Why the store takes nothing now; '' when it does. */
  get problem(): string {
    return this.#problem
  }

  get queuedBytes(): number {
    return this.#sealedBytes + (this.#open?.batch.bytes ?? 0)
  }

  get queuedSamples(): number {
    let samples = this.#open?.batch.samples ?? 0
    for (const { batch } of this.#sealed) samples += batch.samples
    return samples
  }

  /** Those of `queuedSamples` that no message brought. */
  get ownSamples(): number {
    let samples = this.#open?.own ?? 0
    for (const { own } of this.#sealed) samples += own
    return samples
  }

  /** The running mean of the store's write time, ms: what the age of a batch is set by. */
  get meanWriteMs(): number {
    return this.#meanWriteMs
  }

  /**
   * Takes a sample of the current message.
   * @returns `full` when the queue is over its bound: the sample was not taken; a refusal when no store would take it.
   */
  add(sample: Sample): 'full' | Refusal | undefined {
    return this.#full && this.dropsWhenFull ? 'full' : this.#put(sample)
  }

  /** Takes a sample that no message brought. No broker can be held back for it: over the bound it is never taken. */
  addOwn(sample: Sample): 'full' | Refusal | undefined {
    if (this.#full) return 'full'
    const answer = this.#put(sample)
    if (answer === undefined) this.#open!.own++
    return answer
  }

  /**
   * The current message is over: it settles with the newest batch.
   *
   * @param sentAt µs; 0 when it is unknown, or when nothing of the message was taken
   */
  endMessage(delivery: number, sentAt: number): void {
    const open = this.#open
    const newest = open !== undefined && open.batch.samples > 0 ? open : this.#sealed.at(-1)
    if (newest === undefined) {
      this.#on.ack(delivery)
      return
    }
    newest.upTo = delivery
    if (sentAt > 0) {
      if (newest.messages === newest.sentAt.length) newest.sentAt = grown(newest.sentAt)
      newest.sentAt[newest.messages++] = sentAt
    }
  }

  /**
   * Seals the open batch and waits until all have settled, those of what comes in meanwhile too. A store that is away is asked at once.
   * Rejects when the signal fires first, or the batcher is closed: the rest stays held.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#endPause()
    this.#writeWaiting()
    const giveUp = AbortSignal.any([signal, this.#abort.signal])
    for (this.#seal(); this.#sealed.length > 0; this.#seal()) await this.#allSettled(giveUp)
  }

  /** Ends writes under way and timers. What has not settled is the caller's to account for. */
  close(): void {
    this.#abort.abort()
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#sealTimer)
  }

  #put(sample: Sample): 'full' | Refusal | undefined {
    const open = this.#open ?? this.#openBatch()
    let answer = open.batch.add(sample)
    if (answer === 'full' && open.batch.samples > 0) {
      this.#seal()
      if (this.#full && this.dropsWhenFull) return 'full'
      answer = this.#openBatch().batch.add(sample)
    }
    if (answer !== 'full') return answer
    return { reason: 'too_large', detail: `a sample of ${sample.series.measurement} is larger than a batch may be` }
  }

  #allSettled(giveUp: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void =>
        reject(new Error(`${this.queuedSamples} samples still wait for the store: ${this.#problem}`))
      if (giveUp.aborted) return stop()
      giveUp.addEventListener('abort', stop, { once: true })
      this.#onIdle.push(() => {
        giveUp.removeEventListener('abort', stop)
        resolve()
      })
    })
  }

  #openBatch(): OpenBatch {
    this.#open = {
      batch: this.#writer.openBatch(),
      openedAtMs: performance.now(),
      own: 0,
      upTo: 0,
      sentAt: this.#spareTimes.pop() ?? new Float64Array(1024),
      messages: 0,
      state: 'waiting',
      result: undefined,
    }
    this.#armSealTimer()
    return this.#open
  }

  #armSealTimer(): void {
    clearTimeout(this.#sealTimer)
    if (this.#open === undefined || !this.#slotFree()) return
    const ageMs = performance.now() - this.#open.openedAtMs
    this.#sealTimer = setTimeout(() => this.#seal(), Math.max(0, this.#sealAgeMs() - ageMs))
  }

  #sealAgeMs(): number {
    const { flushMinMs, flushMaxMs } = this.#options
    return Math.min(flushMaxMs, Math.max(flushMinMs, AGE_IN_WRITE_TIMES * this.#meanWriteMs))
  }

  #slotFree(): boolean {
    return this.#problem === '' && this.#writing < this.#writer.limits.inFlight
  }

  #seal(): void {
    const open = this.#open
    if (open === undefined) return
    clearTimeout(this.#sealTimer)
    this.#open = undefined
    if (open.batch.samples === 0) {
      // What it was opened for was refused: a write of nothing would pass for a quick answer of the store.
      this.#recycle(open)
      return
    }
    this.#sealed.push(open)
    this.#sealedBytes += open.batch.bytes
    if (!this.#full && this.#sealedBytes > this.#options.queueMaxBytes) this.#setFull(true)
    this.#writeWaiting()
  }

  #setFull(full: boolean): void {
    this.#full = full
    this.#on.full(full)
  }

  /** Starts as many writes as there are slots; only one, the oldest, while the store is away. */
  #writeWaiting(): void {
    if (this.#abort.signal.aborted) return
    const slots = this.#problem === '' ? this.#writer.limits.inFlight : 1
    for (const entry of this.#sealed) {
      if (this.#writing >= slots || this.#retryTimer !== undefined) return
      if (entry.state === 'waiting') void this.#write(entry)
      if (this.#problem !== '') return
    }
  }

  async #write(entry: OpenBatch): Promise<void> {
    entry.state = 'writing'
    this.#writing++
    this.writes++
    const startedAtMs = performance.now()
    const result = await this.#writeGuarded(entry.batch)
    this.#writing--
    if (this.#abort.signal.aborted) return
    if (result.next === 'ack') {
      const writeMs = performance.now() - startedAtMs
      this.#meanWriteMs =
        this.#meanWriteMs === 0 ? writeMs : writeMs * NEWEST_WEIGHT + this.#meanWriteMs * (1 - NEWEST_WEIGHT)
      entry.state = 'settled'
      entry.result = result
      // A younger batch that was on its way says nothing of the oldest, which the store still refuses.
      if (entry === this.#sealed[0]) this.#storeIsBack()
      this.#settleInOrder()
    } else {
      entry.state = 'waiting'
      this.#storeIsAway(result)
    }
    this.#writeWaiting()
    this.#armSealTimer()
  }

  /** A writer promises not to reject; one that does has a fault, and its batch is worth another try, not a crash. */
  async #writeGuarded(batch: Batch): Promise<WriteResult> {
    try {
      return await this.#writer.write(batch, this.#abort.signal)
    } catch (error) {
      return { next: 'retry', problem: error instanceof Error ? error.message : String(error), cause: error }
    }
  }

  #storeIsBack(): void {
    if (this.#problem === '') return
    this.#logger.info({ waiting: this.#sealed.length }, 'store takes batches again')
    this.#problem = ''
    this.#endPause()
  }

  #endPause(): void {
    this.#backoff.reset()
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
  }

  #storeIsAway(result: Exclude<WriteResult, { next: 'ack' }>): void {
    this.retries++
    if (this.#problem === '' || this.#problem !== result.problem) {
      const level = result.next === 'wait' ? 'error' : 'warn'
      this.#logger[level]({ err: result.cause, waiting: this.#sealed.length }, result.problem)
    }
    this.#problem = result.problem
    if (this.#retryTimer !== undefined) return
    this.#retryTimer = setTimeout(
      () => {
        this.#retryTimer = undefined
        this.#writeWaiting()
      },
      Math.max(this.#backoff.nextMs(), result.afterMs ?? 0),
    )
  }

  #settleInOrder(): void {
    let entry = this.#sealed[0]
    while (entry?.result !== undefined) {
      this.#sealed.shift()
      const { batch, upTo, sentAt, messages, result } = entry
      this.#sealedBytes -= batch.bytes
      this.#on.settled({ result, samples: batch.samples, sentAt, messages })
      this.#recycle(entry)
      if (upTo > 0) this.#on.ack(upTo)
      entry = this.#sealed[0]
    }
    if (this.#full && this.#sealedBytes <= this.#options.queueMaxBytes / 2) this.#setFull(false)
    if (this.#sealed.length === 0) for (const done of this.#onIdle.splice(0)) done()
  }

  #recycle({ batch, sentAt }: OpenBatch): void {
    batch.release()
    this.#spareTimes.push(sentAt)
  }
}

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
