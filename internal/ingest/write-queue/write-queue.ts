import type { Logger } from 'pino'
import type { Refusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import type { StoreWriter } from '../../store/store.ts'
import { BatchQueue, type Entry, isInMemory } from './batch-row.ts'
import type { BatchSpool } from './batch-spool.ts'
import { StoreGate } from './circuit-breaker.ts'
import { Overflow } from './overflow.ts'
import { Replay } from './replay.ts'
import type { SettledBatch } from './settled.ts'

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
/** How long a stop waits for a store that takes batches, where what is left can go to the spool. */
const DRAIN_PATIENCE_MS = 5000
/** How long a batch rests that the store alone does not take. */
const POSTPONED_MS = 1000

/**
 * Decides when a batch is sealed, and where it goes; it alone does.
 *
 * One batch is **open** and takes samples. It is sealed when it is full, or when the store has a free slot and the batch is old
 * enough: four times the recent write time, within bounds. So a near store gets small batches soon, a far or busy one gets
 * few large ones, and nothing needs tuning. Sealed batches wait in order, are written as the gate has slots, and are acked in order.
 *
 * What the store does not take goes to the spool, where there is one. Without one, or when it takes nothing more, `full` says so and the owner
 * holds the broker back.
 */
export class Batcher {
  readonly gate: StoreGate
  #options: BatcherOptions
  readonly #on: BatcherEvents
  readonly #queue: BatchQueue
  readonly #overflow: Overflow | undefined
  readonly #replay: Replay | undefined
  #open: Entry | undefined
  #full = false
  #sealTimer: NodeJS.Timeout | undefined
  #postponeTimer: NodeJS.Timeout | undefined
  readonly #waiters = new Set<() => void>()

  constructor(options: BatcherOptions) {
    const { spool, replayBytesPerSecond: bytesPerSecond, queueMaxBytes: maxBytes, on } = options
    this.#options = options
    this.#on = on
    const queue = new BatchQueue(on.ack)
    const free = (): void => this.#advance()
    this.#queue = queue
    this.gate = new StoreGate({ ...options, on: { free, away: (isAway) => this.#turn(isAway) } })
    if (spool === undefined) return
    this.#replay = new Replay({
      logger: options.logger,
      spool,
      gate: this.gate,
      bytesPerSecond,
      on: { settled: on.settled, free },
    })
    const tick = (): void => {
      this.#seal()
      this.#relieve()
    }
    const relieved = (): void => {
      this.#relieve()
      this.#wake()
    }
    this.#overflow = new Overflow({ queue, spool, maxBytes, on: { tick, relieved } })
  }

  /** Goes by these from now on; what is held stays held. */
  reconfigure(limits: BatcherLimits): void {
    this.#options = { ...this.#options, ...limits }
    if (this.#replay !== undefined) this.#replay.bytesPerSecond = limits.replayBytesPerSecond
    if (this.#overflow !== undefined) this.#overflow.maxBytes = limits.queueMaxBytes
    this.#advance()
  }

  /** Size of what is held in memory. */
  get queuedBytes(): number {
    return this.#queue.bytes + (this.#open?.batch.bytes ?? 0)
  }

  /** Samples held in memory. */
  get queuedSamples(): number {
    let samples = this.#open?.batch.samples ?? 0
    for (const entry of this.#queue) if (isInMemory(entry)) samples += entry.batch.samples
    return samples
  }

  /** Those of `queuedSamples` that no message brought. */
  get ownSamples(): number {
    let samples = this.#open?.own ?? 0
    for (const entry of this.#queue) if (isInMemory(entry)) samples += entry.own
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
   * @param source whose it is; '' where the message does not say
   * @returns undefined when it is taken, else why no store would take it
   */
  add(sample: Sample, source = ''): Refusal | undefined {
    let open = this.#open ?? this.#openBatch()
    let answer = open.batch.add(sample)
    if (answer === 'full' && open.batch.samples > 0) {
      this.#seal()
      open = this.#openBatch()
      answer = open.batch.add(sample)
    }
    if (answer === undefined) open.sources.note(source, open.batch.samples - 1)
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
    const newest = open !== undefined && open.batch.samples > 0 ? open : this.#queue.newest
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
    const canSpool = this.#options.spool?.isBlocked === false
    const untilMs = canSpool ? performance.now() + DRAIN_PATIENCE_MS : Infinity
    this.#seal()
    this.ask()
    while (this.#queue.length > 0) {
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
    clearTimeout(this.#sealTimer)
    clearTimeout(this.#postponeTimer)
    this.#wake()
    // A write that was cut off may have been stored: to write it again changes nothing.
    this.#queue.turn('writing', 'waiting')
    this.#queue.turn('postponed', 'waiting')
    return (await this.#overflow?.close()) ?? 0
  }

  #openBatch(): Entry {
    this.#open = this.#queue.entry(this.#options.writer.openBatch())
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
      this.#queue.recycle(open)
      return
    }
    this.#queue.push(open)
    this.#advance()
  }

  /** Starts as many writes as there are slots, what is fresh before what is in the spool; what then waits too long goes there. */
  #advance(): void {
    for (const entry of this.#queue) {
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
      const { batch, sentAt, messages, sources } = entry
      this.#on.settled({ result, samples: batch.samples, sentAt, messages, sources })
      this.#queue.giveBack(entry, 'settled')
      this.#queue.ackSettled()
    } else if (result.next === 'postpone') {
      entry.state = 'postponed'
      this.#postponeTimer ??= setTimeout(() => this.#endPostponement(), POSTPONED_MS)
    } else entry.state = 'waiting'
    this.#advance()
    this.#wake()
  }

  #endPostponement(): void {
    this.#postponeTimer = undefined
    this.#queue.turn('postponed', 'waiting')
    this.#advance()
  }

  #turn(isAway: boolean): void {
    this.#overflow?.storeAway(isAway)
    this.#on.away(isAway)
  }

  /** Moves to the spool what cannot stay, and says whether there is room. */
  #relieve(): void {
    if (this.gate.isClosed) return
    const { queueMaxBytes } = this.#options
    this.#overflow?.relieve(this.#postponeTimer !== undefined || this.#replay?.isPostponed === true)
    const isOver = this.#queue.bytes > (this.#full ? queueMaxBytes / 2 : queueMaxBytes)
    const isFull = isOver || this.#overflow?.isBlocked === true
    if (isFull === this.#full) return
    this.#full = isFull
    this.#on.full(isFull)
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

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
