import type { ReadTiming } from '../../broker/broker.ts'
import type { Refusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import type { Batch, WriteResult } from '../../store/store.ts'
import { errorText } from '../../text/error-text.ts'
import { type Deferred, deferred } from '../../time/deferred.ts'
import { batchAgeMs, READ_MS, READ_WAIT } from './batch-age.ts'
import { BatchRow } from './batch-row.ts'
import type { BatchSpool, SpooledBatch } from './batch-spool.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { type EventOf, Modes } from './modes.ts'
import type { WriteQueueEvents, WriteQueueLimits, WriteQueueOptions } from './options.ts'
import { QueuedBatch } from './queued-batch.ts'
import { Replay } from './replay.ts'
import { Timers } from './timers.ts'

/** How long a stop waits for a store that takes batches, where the rest can go to the spool. */
const DRAIN_PATIENCE_MS = 5000
/** How long a batch is postponed that the store does not take although it takes others. */
const POSTPONED_MS = 1000
/**
 * How long the store must be away before everything goes to the spool, and how often newer batches follow. A kill loses
 * at most the samples of this time.
 */
const SPOOL_EVERY_MS = 1000
/** How long the queue waits before it tries a failing disk again. */
const CONFIRM_AGAIN_MS = 1000

/**
 * The one owner of what waits for the store: it decides when a batch is sealed, when it is written, when it goes to the
 * spool and when it is acked. Its parts (row, breaker, spool) answer questions and know nothing of each other; only
 * this class calls them, starts a timer or changes a state. The table in modes.ts lists all that can happen, and when.
 * `#advance` does what can be done now, and `#moveOn` is the one place that moves a batch on after a write.
 *
 * Batches are as old as the durable latency asked for allows, and nothing needs tuning. The file is long because it is
 * the only one in which anything that waits changes its state.
 */
export class WriteQueue implements ReadTiming {
  readonly breaker: CircuitBreaker
  #options: WriteQueueOptions
  readonly #on: WriteQueueEvents
  readonly #spool: BatchSpool | undefined
  readonly #replay: Replay | undefined
  readonly #modes: Modes
  readonly #row = new BatchRow()
  readonly #timers = new Timers<'seal' | 'pause' | 'postponed' | 'spool' | 'confirm' | 'replay' | 'patience'>()
  readonly #abort = new AbortController()
  #open: QueuedBatch | undefined
  #sealedAtMs = -Infinity
  #isConfirming = false
  /** What a drain waits for. */
  #progress: Deferred<void> | undefined

  constructor(options: WriteQueueOptions) {
    const { logger, on } = options
    this.#options = options
    this.#on = on
    this.#spool = options.spool
    this.breaker = new CircuitBreaker(options)
    this.#modes = new Modes(
      options.onBug ?? ((err) => logger.error({ err }, 'a bug: the write queue goes on as before')),
    )
    this.#replay = options.spool && this.#replayOf(options.spool)
  }

  /** Applies other limits. What waits is kept. */
  reconfigure(limits: WriteQueueLimits): void {
    this.#options = { ...this.#options, ...limits }
    this.#advance()
  }

  /** The modes as they are now. */
  get modes(): Omit<Modes, 'change' | 'after'> {
    return this.#modes
  }

  /** Size of what is in memory. */
  get bytes(): number {
    return this.#row.bytes + (this.#open?.batch.bytes ?? 0)
  }

  /** How long the oldest batch has waited that is in memory and that the store may have any moment, ms; 0 without one. */
  get waitsMs(): number {
    for (const { state, openedAtMs } of this.#row) {
      if (state === 'waiting' || state === 'writing') return performance.now() - openedAtMs
    }
    return 0
  }

  /** Samples in memory. */
  get samples(): number {
    return this.#row.samples + (this.#open?.batch.samples ?? 0)
  }

  /** Those of `samples` that the server made itself. */
  get ownSamples(): number {
    return this.#row.ownSamples + (this.#open?.own ?? 0)
  }

  /** The age at which a batch is sealed while a slot is free and samples follow one another. */
  get batchAgeMs(): number {
    return batchAgeMs(this.#options, this.breaker.writeTimes)
  }

  /** Samples of the spool that are settled since the start. */
  get replayedSamples(): number {
    return this.#replay?.samples ?? 0
  }

  /**
   * Writes what waits, and what an earlier process left in the spool. Asks a store that is away at once, however long
   * the pause was to be.
   */
  ask(): void {
    if (this.#modes.life === 'closed') return
    this.#timers.stop('pause')
    this.breaker.reset()
    this.#modes.change('store', 'ask')
    this.#advance()
  }

  /**
   * Takes a sample of the current message, even over the bound: a broker that is held back still delivers the messages
   * that it had read.
   *
   * @param run the run id of its publisher; '' where the message does not say
   * @returns undefined when it is taken, else why no store would take it
   */
  add(sample: Sample, run = ''): Refusal | undefined {
    let open = this.#open ?? this.#openBatch()
    let answer = open.batch.add(sample)
    if (answer === 'full' && open.batch.samples > 0) {
      this.#seal()
      open = this.#openBatch()
      answer = open.batch.add(sample)
    }
    if (answer === undefined) open.spans.note(run, open.batch.samples - 1)
    if (answer !== 'full') return answer
    return { reason: 'too_large', detail: `a sample of ${sample.series.measurement} is larger than a batch may be` }
  }

  /**
   * Takes a sample that the server made itself. A full queue refuses it, because no publisher can be held back for it.
   */
  addOwn(sample: Sample): 'full' | Refusal | undefined {
    if (this.#modes.intake === 'full') return 'full'
    const answer = this.add(sample)
    if (answer === undefined) this.#open!.own++
    return answer
  }

  /**
   * The current message is over: it is acked with the newest batch.
   *
   * @param sentAt µs; 0 where it is unknown, or where nothing of the message was taken
   */
  endMessage(delivery: number, sentAt: number): void {
    const open = this.#open
    const newest = open !== undefined && open.batch.samples > 0 ? open : this.#row.newest
    if (newest === undefined) this.#on.ack(delivery)
    else newest.endMessage(delivery, sentAt)
  }

  /**
   * How long a message may wait in the broker: as long as in a batch, less the read, because both are one wait; and no
   * longer than a part of the target. Servers that take turns must agree, and each knows only its own writes: for them it
   * is that part alone.
   */
  readWithinMs(readers: number): number {
    const { durableTargetMs, flushMaxMs } = this.#options
    const mostMs = Math.min(flushMaxMs, durableTargetMs * READ_WAIT)
    return Math.max(READ_MS, (readers === 1 ? Math.min(mostMs, this.batchAgeMs) : mostMs) - READ_MS)
  }

  /** Seals a batch at once that would be sealed before the next read has come: nothing more comes into it. */
  nothingForMs(pauseMs: number): void {
    if (this.#open === undefined || this.#modes.store !== 'available' || !this.#hasSlot) return
    if (this.#sealAtMs(this.#open) < performance.now() + pauseMs + READ_MS / 2) this.#seal()
  }

  /**
   * Seals the open batch and waits until everything is acked, including samples that arrive during the wait. Asks a
   * store that is away at once.
   *
   * Rejects when the signal fires first, or the queue is closed. Where the spool or the broker would keep the rest, it
   * also rejects as soon as the store fails to take something; and in front of a spool after five seconds.
   */
  async drain(signal: AbortSignal, brokerKeeps: boolean): Promise<void> {
    this.#modes.change('life', 'drain')
    this.#timers.stop('replay')
    const retriesBefore = this.breaker.retries
    const canSpool = this.#spool?.isBlocked === false
    let isPatient = true
    const signalProgress = (): void => this.#signalProgress()
    signal.addEventListener('abort', signalProgress, { once: true })
    if (canSpool) {
      this.#timers.start('patience', DRAIN_PATIENCE_MS, () => {
        isPatient = false
        signalProgress()
      })
    }
    this.#seal()
    this.ask()
    try {
      while (this.#row.length > 0) {
        const hasFailed = (canSpool || brokerKeeps) && this.breaker.retries > retriesBefore
        if (signal.aborted || this.#isClosed || hasFailed || !isPatient) {
          throw new Error(`${this.samples} samples still wait for the store: ${this.breaker.problem}`)
        }
        this.#progress ??= deferred()
        await this.#progress.promise
        this.#seal()
      }
    } finally {
      this.#timers.stop('patience')
      signal.removeEventListener('abort', signalProgress)
    }
  }

  /**
   * Ends the writes under way and the timers, and puts what is in memory into the spool.
   *
   * @returns samples of the spool that the disk did not take, which end with this process
   */
  async close(): Promise<number> {
    this.#modes.change('life', 'close')
    this.#abort.abort()
    this.#timers.stopAll()
    this.#seal()
    this.#signalProgress()
    // A write that was cut off may have been stored: to write it again changes nothing.
    for (const queued of this.#row.in('writing')) this.#move(queued, 'retry')
    for (const queued of this.#row.in('postponed')) this.#move(queued, 'rested')
    return this.#spool === undefined ? 0 : this.#closeSpool(this.#spool)
  }

  get #isClosed(): boolean {
    return this.#modes.life === 'closed'
  }

  get #hasSlot(): boolean {
    return !this.#isClosed && this.breaker.hasSlot(this.#modes.store)
  }

  #move(queued: QueuedBatch, event: EventOf<'batch'>): void {
    queued.state = this.#modes.after('batch', queued.state, event)
  }

  #openBatch(): QueuedBatch {
    this.#open = this.#row.open(this.#options.writer.openBatch())
    this.#startSealTimer()
    return this.#open
  }

  #startSealTimer(): void {
    this.#timers.stop('seal')
    if (this.#open === undefined || this.#modes.store !== 'available' || !this.#hasSlot) return
    this.#timers.start('seal', Math.max(0, this.#sealAtMs(this.#open) - performance.now()), () => this.#seal())
  }

  /**
   * When a batch is sealed while a slot is free. The age counts from the batch before it, so a sample that comes after
   * a silence is stored at once: few writes cost nothing, and waiting would only delay them.
   */
  #sealAtMs({ openedAtMs }: QueuedBatch): number {
    return Math.max(openedAtMs + this.#options.flushMinMs, this.#sealedAtMs + this.batchAgeMs)
  }

  #seal(): void {
    const open = this.#open
    if (open === undefined) return
    this.#timers.stop('seal')
    this.#open = undefined
    if (open.batch.samples === 0) {
      // The sample for which it was opened was refused. An empty write would count as a quick answer of the store.
      this.#row.recycle(open)
      return
    }
    this.#sealedAtMs = performance.now()
    this.#move(open, 'seal')
    this.#row.push(open)
    this.#advance()
  }

  /**
   * Does what can be done now: called whenever a batch is sealed, a write has ended, a timer has fired or a limit has
   * changed.
   */
  #advance(): void {
    let isWaiting = false
    for (const queued of this.#row) {
      if (queued.state !== 'waiting') continue
      isWaiting = !this.#hasSlot
      if (isWaiting) break
      this.#move(queued, 'write')
      void this.#write(queued)
    }
    // After the fresh ones: what is spooled is written only while nothing fresh has to wait.
    if (isWaiting) this.#replay?.yield()
    else this.#replay?.start()
    this.#makeRoom()
    this.#startSealTimer()
  }

  async #write(written: QueuedBatch | SpooledBatch): Promise<void> {
    const start = this.breaker.begin(!(written instanceof QueuedBatch))
    const result = await this.#answerOf(written.batch)
    if (this.#isClosed) return
    const news = this.breaker.after(start, result, this.#modes.store)
    if (news === 'stored') this.#storeHasTaken()
    else if (news !== 'nothing new') this.#storeHasFailed(news.pauseMs)
    this.#moveOn(written, result, performance.now() - start.atMs)
    this.#advance()
    this.#signalProgress()
  }

  /**
   * A writer must not reject. If one does, that is a bug, and its batch is tried again instead of crashing the process.
   */
  async #answerOf(batch: Batch): Promise<WriteResult> {
    try {
      return await this.#options.writer.write(batch, this.#abort.signal)
    } catch (error) {
      return { next: 'retry', problem: errorText(error), cause: error }
    }
  }

  #storeHasTaken(): void {
    if (!this.#modes.change('store', 'stored')) return
    this.#timers.stop('spool')
    this.#modes.change('spool', 'back')
    this.#on.away(false)
  }

  #storeHasFailed(pauseMs: number): void {
    const wasAvailable = this.#modes.store === 'available'
    this.#modes.change('store', 'failed')
    this.#timers.start('pause', pauseMs, () => {
      this.#modes.change('store', 'pauseOver')
      this.#advance()
    })
    if (!wasAvailable) return
    if (this.#spool !== undefined) this.#startSpoolTimer()
    this.#on.away(true)
  }

  /** Moves a batch on by the result of its write: a fresh batch along the row, one of the spool out of the spool. */
  #moveOn(written: QueuedBatch | SpooledBatch, result: WriteResult, writeMs: number): void {
    const isFresh = written instanceof QueuedBatch
    switch (result.next) {
      case 'ack':
        this.#on.settled({ result, samples: written.batch.samples, sentAt: written.sentAt, spans: written.spans })
        if (isFresh) this.#settle(written, 'store')
        else this.#replay?.stored(written, writeMs)
        break
      case 'postpone':
        if (isFresh) this.#postpone(written)
        else this.#replay?.failed(written, 'postpone')
        break
      case 'retry':
      case 'wait':
        if (isFresh) this.#move(written, 'retry')
        else this.#replay?.failed(written, 'retry')
    }
  }

  #settle(queued: QueuedBatch, event: 'store' | 'drop'): void {
    this.#move(queued, event)
    this.#row.free(queued)
    this.#ackSettled()
  }

  #postpone(queued: QueuedBatch): void {
    this.#move(queued, 'postpone')
    if (this.#timers.isRunning('postponed')) return
    this.#timers.start('postponed', POSTPONED_MS, () => {
      for (const postponed of this.#row.in('postponed')) this.#move(postponed, 'rested')
      this.#advance()
    })
  }

  #ackSettled(): void {
    for (const upTo of this.#row.takeAcks()) this.#on.ack(upTo)
  }

  /** Moves to the spool what cannot stay in memory, and says whether there is room for more. */
  #makeRoom(): void {
    if (this.#isClosed) return
    const { queueMaxBytes } = this.#options
    const spool = this.#spool
    const takesEverything = this.#modes.spool === 'everything'
    if (spool !== undefined) this.#moveToSpool(spool, () => takesEverything || this.#row.bytes > queueMaxBytes)
    const wasFull = this.#modes.intake === 'full'
    const isOver = this.#row.bytes > (wasFull ? queueMaxBytes / 2 : queueMaxBytes)
    const isFull = isOver || (takesEverything && spool?.isBlocked === true)
    if (isFull === wasFull) return
    this.#modes.change('intake', isFull ? 'full' : 'room')
    this.#on.full(isFull)
  }

  /**
   * Moves batches to the spool, the oldest first, while there are more to move and the spool has room.
   *
   * @returns whether the disk is behind, and the rest has to wait for it
   */
  #moveToSpool(spool: BatchSpool, isMore: () => boolean): boolean {
    // While a batch is postponed, the newest stays in memory: the store is asked with that one.
    const isKept = !this.#isClosed && (this.#replay?.isPostponed || this.#timers.isRunning('postponed'))
    const kept = isKept ? this.#row.newest : undefined
    let answer: ReturnType<BatchSpool['put']> | undefined
    for (const queued of this.#row) {
      if (!isMore() || spool.isBlocked) break
      if ((queued.state !== 'waiting' && queued.state !== 'postponed') || queued === kept) continue
      answer = spool.put(queued)
      if (answer === 'full' || answer === 'busy') break
      this.#move(queued, answer === 'kept' ? 'spool' : 'drop')
      this.#row.free(queued)
    }
    this.#ackSettled()
    if (answer !== undefined) void this.#confirmSpooled(spool)
    return answer === 'busy'
  }

  /** Acks what is in the spool once the file system has it: then a kill of the process loses nothing that was acked. */
  async #confirmSpooled(spool: BatchSpool): Promise<void> {
    if (this.#isConfirming || this.#isClosed) return
    this.#isConfirming = true
    const spooled = this.#row.in('spooled')
    const isWritten = await spool.written()
    this.#isConfirming = false
    if (this.#isClosed) return
    // A spool that is empty has been replayed: its batches need no disk any more.
    if (isWritten || spool.samples === 0) this.#confirm(spooled)
    this.#makeRoom()
    this.#signalProgress()
    this.#timers.stop('confirm')
    if (this.#row.in('spooled').length === 0) return
    if (isWritten) void this.#confirmSpooled(spool)
    else this.#timers.start('confirm', CONFIRM_AGAIN_MS, () => void this.#confirmSpooled(spool))
  }

  #confirm(spooled: readonly QueuedBatch[]): void {
    for (const queued of spooled) this.#move(queued, 'confirm')
    this.#ackSettled()
  }

  /** Runs once a second while the store is away. */
  #startSpoolTimer(): void {
    this.#timers.start('spool', SPOOL_EVERY_MS, () => {
      this.#modes.change('spool', 'awayLong')
      this.#startSpoolTimer()
      this.#seal()
      this.#makeRoom()
    })
  }

  async #closeSpool(spool: BatchSpool): Promise<number> {
    spool.takeAll()
    while (this.#moveToSpool(spool, () => true)) await spool.written()
    const gone = await spool.close()
    this.#confirm(this.#row.in('spooled'))
    return gone
  }

  #replayOf(spool: BatchSpool): Replay {
    return new Replay({
      ...{ spool, modes: this.#modes, timers: this.#timers, logger: this.#options.logger },
      bytesPerSecond: () => this.#options.replayBytesPerSecond,
      most: () => this.breaker.mostReplays,
      hasSlot: () => this.breaker.hasReplaySlot(this.#modes.store),
      write: (spooled) => void this.#write(spooled),
      advance: () => this.#advance(),
    })
  }

  #signalProgress(): void {
    this.#progress?.resolve()
    this.#progress = undefined
  }
}
