import type { Logger } from 'pino'
import type { Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { Batch, StoreWriter } from '../store/store.ts'
import type { BatchSpool } from './batch-spool.ts'
import { Replay } from './replay.ts'
import type { SettledBatch } from './settled.ts'
import { StoreGate } from './store-gate.ts'

export interface BatcherOptions {
  readonly writer: StoreWriter
  readonly logger: Logger
  /** Bounds of a batch's age at sealing while a slot is free, ms. */
  readonly flushMinMs: number
  readonly flushMaxMs: number
  /** Bound of the sealed batches that wait or are being written, bytes. */
  readonly queueMaxBytes: number
  /** Where batches go that the store does not take; without it they wait in memory. */
  readonly spool?: BatchSpool | undefined
  /** How fast the spool is written to a store that takes it. */
  readonly replayBytesPerSecond: number
  readonly on: BatcherEvents
}

/** What may change while it runs. */
export type BatcherLimits = Pick<BatcherOptions, 'flushMinMs' | 'flushMaxMs' | 'queueMaxBytes' | 'replayBytesPerSecond'>

/** What the batcher tells its owner. None of them may throw. */
export interface BatcherEvents {
  /** A batch is stored or refused for good. */
  settled(batch: SettledBatch): void
  /** Nothing of the deliveries up to this one is held in memory alone any more: it is stored, refused, or on disk. */
  ack(upTo: number): void
  /** There is no room for more (true), or room again. */
  full(isFull: boolean): void
  /** The store has gone away, or is back. */
  away(isAway: boolean): void
}

/** How much of the store's recent write time an open batch waits for more: found by trying; 1 makes a near store write scraps. */
const AGE_IN_WRITE_TIMES = 4
/** How long the store must be away before batches go to the spool, and how often what is open follows them: what a kill then loses. */
const SPOOL_AFTER_MS = 1000
/** How long a stop waits for a store that takes batches, where what is left can go to the spool. */
const DRAIN_PATIENCE_MS = 5000
/** How long a batch rests that the store alone does not take. */
const POSTPONED_MS = 1000
/** How often a disk is asked again that did not take what it was given. */
const FLUSH_AGAIN_MS = 1000

/** A batch on its way, from its first sample until its acks are sent. */
interface Entry {
  readonly batch: Batch
  /** By the monotonic timer, as all durations here: the wall clock may be set back by hours. */
  readonly openedAtMs: number
  /** Samples that no message brought. */
  own: number
  /** The last delivery whose samples are all in this batch or an earlier one; 0 where none ended here. */
  upTo: number
  sentAt: Float64Array<ArrayBuffer>
  messages: number
  /**
   * Held in memory while it is `open`, `waiting` for a slot, being written (`writing`) or `postponed` for a moment to let others go first.
   * Then it is given back: `spooled`, though the file system may not have it yet, or `settled`: stored, refused, dropped or on disk.
   */
  state: 'open' | 'waiting' | 'writing' | 'postponed' | 'spooled' | 'settled'
}

/**
 * Decides when a batch is sealed, and where it goes; it alone does.
 *
 * One batch is **open** and takes samples. It is sealed when it is full, or when the store has a free slot and the batch is old
 * enough: four times the recent write time, within bounds. So a near store gets small batches soon, a far or busy one gets
 * few large ones, and nothing needs tuning. Sealed batches wait in order, are written as the gate has slots, and are **acked** strictly
 * in order, whichever answer comes first: an ack is cumulative.
 *
 * Where there is a spool, what waits goes there, the oldest first, once the store has been away for a second, and when it is too slow and
 * the queue is over its bound in bytes. Without one, or when it takes nothing more, `full` says so and the owner holds the broker back.
 */
export class Batcher {
  readonly gate: StoreGate
  #options: BatcherOptions
  readonly #on: BatcherEvents
  readonly #spool: BatchSpool | undefined
  readonly #replay: Replay | undefined
  #open: Entry | undefined
  /** Sealed and not acked, the oldest first. */
  readonly #sealed: Entry[] = []
  /** Size of those that are in memory. */
  #sealedBytes = 0
  #full = false
  /** The store has been away for so long that all that waits goes to the spool. */
  #isSpooling = false
  #isFlushing = false
  #sealTimer: NodeJS.Timeout | undefined
  #awayTimer: NodeJS.Timeout | undefined
  #postponeTimer: NodeJS.Timeout | undefined
  #flushTimer: NodeJS.Timeout | undefined
  readonly #waiters = new Set<() => void>()
  /** Settled batches' arrays, used again: at 100,000 messages/s they would be 0.8 MB/s of garbage. */
  readonly #spareTimes: Float64Array<ArrayBuffer>[] = []

  constructor(options: BatcherOptions) {
    this.#options = options
    this.#on = options.on
    const free = (): void => this.#advance()
    this.gate = new StoreGate({ ...options, on: { free, away: (isAway) => this.#turn(isAway) } })
    const { spool, replayBytesPerSecond: bytesPerSecond, on } = options
    this.#spool = spool
    if (spool === undefined) return
    this.#replay = new Replay({ spool, gate: this.gate, bytesPerSecond, on: { settled: on.settled, free } })
  }

  /** Goes by these from now on; what is held stays held. */
  reconfigure(limits: BatcherLimits): void {
    this.#options = { ...this.#options, ...limits }
    if (this.#replay !== undefined) this.#replay.bytesPerSecond = limits.replayBytesPerSecond
    this.#advance()
  }

  /** Size of what is held in memory. */
  get queuedBytes(): number {
    return this.#sealedBytes + (this.#open?.batch.bytes ?? 0)
  }

  /** Samples held in memory. */
  get queuedSamples(): number {
    let samples = this.#open?.batch.samples ?? 0
    for (const entry of this.#sealed) if (isInMemory(entry)) samples += entry.batch.samples
    return samples
  }

  /** Those of `queuedSamples` that no message brought. */
  get ownSamples(): number {
    let samples = this.#open?.own ?? 0
    for (const entry of this.#sealed) if (isInMemory(entry)) samples += entry.own
    return samples
  }

  /** Samples of the spool that were settled. */
  get replayedSamples(): number {
    return this.#replay?.samples ?? 0
  }

  /** Writes what waits: what an earlier process has left in the spool, too. A store that is away is asked at once. */
  ask(): void {
    this.gate.endPause()
    this.#advance()
  }

  /**
   * Takes a sample of the current message, over the bound too: what a broker still brings while it is held back is not lost.
   *
   * @returns undefined when it is taken, else why no store would take it
   */
  add(sample: Sample): Refusal | undefined {
    const open = this.#open ?? this.#openBatch()
    let answer = open.batch.add(sample)
    if (answer === 'full' && open.batch.samples > 0) {
      this.#seal()
      answer = this.#openBatch().batch.add(sample)
    }
    if (answer !== 'full') return answer
    return { reason: 'too_large', detail: `a sample of ${sample.series.measurement} is larger than a batch may be` }
  }

  /** Takes a sample that no message brought. Nobody can be held back for it: over the bound it is not taken. */
  addOwn(sample: Sample): 'full' | Refusal | undefined {
    if (this.#full) return 'full'
    const answer = this.add(sample)
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
    if (sentAt > 0 && isInMemory(newest)) {
      if (newest.messages === newest.sentAt.length) newest.sentAt = grown(newest.sentAt)
      newest.sentAt[newest.messages++] = sentAt
    }
  }

  /**
   * Seals the open batch and waits until all is acked, what comes in meanwhile too. A store that is away is asked at once.
   *
   * Rejects when the signal fires first, or the batcher is closed. What the spool or the broker would keep is not waited for so long: only
   * until the store fails to take something, and in front of a spool for five seconds.
   */
  async drain(signal: AbortSignal, brokerKeeps: boolean): Promise<void> {
    this.#replay?.stop()
    const failuresBefore = this.gate.retries
    const canSpool = this.#spool?.isBlocked === false
    const untilMs = canSpool ? performance.now() + DRAIN_PATIENCE_MS : Infinity
    this.#seal()
    this.ask()
    while (this.#sealed.length > 0) {
      const hasFailed = (canSpool || brokerKeeps) && this.gate.retries > failuresBefore
      if (signal.aborted || this.gate.isClosed || hasFailed || performance.now() >= untilMs) {
        throw new Error(`${this.queuedSamples} samples still wait for the store: ${this.gate.problem}`)
      }
      await this.#somethingHappens(signal, untilMs)
      this.#seal()
    }
  }

  /**
   * Ends writes under way and timers, and puts what is held in memory into the spool.
   *
   * @returns samples of the spool that the disk did not take, and that end with this process
   */
  async close(): Promise<number> {
    this.gate.close()
    this.#replay?.stop()
    this.#seal()
    for (const timer of [this.#sealTimer, this.#awayTimer, this.#postponeTimer, this.#flushTimer]) clearTimeout(timer)
    this.#wake()
    if (this.#spool === undefined) return 0
    // A write that was cut off may have been stored: to write it again changes nothing.
    for (const entry of this.#sealed) if (isInMemory(entry)) entry.state = 'waiting'
    this.#spool.takeAll()
    while (this.#moveToSpool(() => true)) await this.#spool.written()
    const gone = await this.#spool.close()
    this.#settleSpooled(this.#sealed)
    return gone
  }

  #openBatch(): Entry {
    this.#open = {
      batch: this.#options.writer.openBatch(),
      openedAtMs: performance.now(),
      own: 0,
      upTo: 0,
      sentAt: this.#spareTimes.pop() ?? new Float64Array(1024),
      messages: 0,
      state: 'open',
    }
    this.#armSealTimer()
    return this.#open
  }

  #armSealTimer(): void {
    clearTimeout(this.#sealTimer)
    if (this.#open === undefined || this.gate.problem !== '' || !this.gate.hasSlot) return
    const { flushMinMs, flushMaxMs } = this.#options
    const sealAgeMs = Math.min(flushMaxMs, Math.max(flushMinMs, AGE_IN_WRITE_TIMES * this.gate.meanWriteMs))
    const ageMs = performance.now() - this.#open.openedAtMs
    this.#sealTimer = setTimeout(() => this.#seal(), Math.max(0, sealAgeMs - ageMs))
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
    open.state = 'waiting'
    this.#sealed.push(open)
    this.#sealedBytes += open.batch.bytes
    this.#advance()
  }

  /** Starts as many writes as there are slots, what is fresh before what is in the spool; what then waits too long goes there. */
  #advance(): void {
    for (const entry of this.#sealed) {
      if (!this.gate.hasSlot) break
      if (entry.state === 'waiting') void this.#write(entry)
    }
    this.#replay?.advance()
    this.#relieve()
    this.#armSealTimer()
  }

  async #write(entry: Entry): Promise<void> {
    entry.state = 'writing'
    const result = await this.gate.write(entry.batch)
    if (this.gate.isClosed) return
    if (result.next === 'ack') {
      const { batch, sentAt, messages } = entry
      this.#on.settled({ result, samples: batch.samples, sentAt, messages })
      this.#giveBack(entry, 'settled')
      this.#ackInOrder()
    } else if (result.next === 'postpone') {
      entry.state = 'postponed'
      this.#postponeTimer ??= setTimeout(() => this.#endPostponement(), POSTPONED_MS)
    } else entry.state = 'waiting'
    this.#advance()
    this.#wake()
  }

  #endPostponement(): void {
    this.#postponeTimer = undefined
    for (const entry of this.#sealed) if (entry.state === 'postponed') entry.state = 'waiting'
    this.#advance()
  }

  #turn(isAway: boolean): void {
    this.#isSpooling = false
    clearInterval(this.#awayTimer)
    if (isAway && this.#spool !== undefined) {
      this.#awayTimer = setInterval(() => {
        this.#isSpooling = true
        this.#seal()
        this.#relieve()
      }, SPOOL_AFTER_MS)
    }
    this.#on.away(isAway)
  }

  /** Moves to the spool what cannot stay, and says whether there is room. */
  #relieve(): void {
    const { queueMaxBytes } = this.#options
    this.#moveToSpool(() => this.#isSpooling || this.#sealedBytes > queueMaxBytes)
    const isOver = this.#sealedBytes > (this.#full ? queueMaxBytes / 2 : queueMaxBytes)
    const isFull = isOver || (this.#isSpooling && this.#spool?.isBlocked === true)
    if (isFull === this.#full) return
    this.#full = isFull
    this.#on.full(isFull)
  }

  /**
   * The oldest first. Where the store was asked in vain with one batch alone, the newest stays, to ask it with another.
   *
   * @returns whether the disk is behind, and the rest has to wait for it
   */
  #moveToSpool(isMore: () => boolean): boolean {
    const spool = this.#spool
    if (spool === undefined) return false
    const asksAnother = this.#postponeTimer !== undefined || this.#replay?.isPostponed === true
    const kept = asksAnother && !this.gate.isClosed ? this.#sealed.at(-1) : undefined
    let answer: ReturnType<BatchSpool['put']> | undefined
    for (const entry of this.#sealed) {
      if (!isMore() || spool.isBlocked) break
      if (entry.state !== 'waiting' || entry === kept) continue
      answer = spool.put(entry.batch, entry.sentAt.subarray(0, entry.messages))
      if (answer === 'full' || answer === 'busy') break
      this.#giveBack(entry, answer === 'kept' ? 'spooled' : 'settled')
    }
    this.#ackInOrder()
    if (answer !== undefined) void this.#flush(spool)
    return answer === 'busy'
  }

  /** What is in the spool is acked once the file system has it: a kill of the process loses nothing that was acked. */
  async #flush(spool: BatchSpool): Promise<void> {
    if (this.#isFlushing || this.gate.isClosed) return
    this.#isFlushing = true
    const spooled = this.#sealed.filter(({ state }) => state === 'spooled')
    const isWritten = await spool.written()
    this.#isFlushing = false
    if (this.gate.isClosed) return
    if (isWritten || spool.samples === 0) this.#settleSpooled(spooled)
    this.#relieve()
    if (!this.#sealed.some(({ state }) => state === 'spooled')) return
    clearTimeout(this.#flushTimer)
    this.#flushTimer = setTimeout(() => void this.#flush(spool), isWritten ? 0 : FLUSH_AGAIN_MS)
  }

  #settleSpooled(entries: readonly Entry[]): void {
    for (const entry of entries) if (entry.state === 'spooled') entry.state = 'settled'
    this.#ackInOrder()
    this.#wake()
  }

  #ackInOrder(): void {
    while (this.#sealed[0]?.state === 'settled') {
      const { upTo } = this.#sealed.shift()!
      if (upTo > 0) this.#on.ack(upTo)
    }
  }

  #giveBack(entry: Entry, state: 'spooled' | 'settled'): void {
    entry.state = state
    this.#sealedBytes -= entry.batch.bytes
    this.#recycle(entry)
  }

  #recycle({ batch, sentAt }: Entry): void {
    batch.release()
    this.#spareTimes.push(sentAt)
  }

  #somethingHappens(signal: AbortSignal, untilMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#waiters.delete(done)
        resolve()
      }
      const timer = untilMs === Infinity ? undefined : setTimeout(done, untilMs - performance.now())
      signal.addEventListener('abort', done, { once: true })
      this.#waiters.add(done)
    })
  }

  #wake(): void {
    for (const done of this.#waiters) done()
  }
}

function isInMemory({ state }: Entry): boolean {
  return state !== 'spooled' && state !== 'settled'
}

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
