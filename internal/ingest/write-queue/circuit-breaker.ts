import type { Logger } from 'pino'
import { LatencyRecorder } from '../../observe/latency.ts'
import type { Batch, StoreWriter, WriteResult } from '../../store/store.ts'
import { errorText } from '../../text/error-text.ts'
import { Backoff } from '../../time/backoff.ts'

export interface StoreGateOptions {
  readonly writer: StoreWriter
  readonly logger: Logger
  readonly on: {
    /** A pause is over: a slot may be free again. */
    free(): void
    /** The store has gone away, or is back. */
    away(isAway: boolean): void
  }
}

/** Weight of the newest write in the running mean of the write time. */
const NEWEST_WEIGHT = 0.2

/**
 * The way to the store, with as many slots as it takes writes side by side; a circuit breaker.
 *
 * **Open**: writes go through. A write that says retry or wait shuts it: the store is **away**. Then nothing goes through for a pause, which
 * grows from try to try and is as long as the store asked for at least; after it one write at a time, a probe. A probe that the store takes
 * opens the gate. One that was on its way when the store went away is none: it says nothing of what the store does now.
 */
export class StoreGate {
  readonly #writer: StoreWriter
  readonly #logger: Logger
  readonly #on: StoreGateOptions['on']
  readonly #backoff = new Backoff({ firstMs: 250, largestMs: 30_000 })
  readonly #abort = new AbortController()
  #writing = 0
  #awaySinceMs = 0
  #problem = ''
  #pause: NodeJS.Timeout | undefined
  #pauseUntilMs = 0
  #meanWriteMs = 0
  /** Writes begun, and those of them that had to be tried again. */
  writes = 0
  retries = 0
  /** How long writes took that the store answered for good. */
  readonly writeTime = new LatencyRecorder()

  constructor({ writer, logger, on }: StoreGateOptions) {
    this.#writer = writer
    this.#logger = logger
    this.#on = on
  }

  /** Why the store takes nothing now; '' when it does. */
  get problem(): string {
    return this.#problem
  }

  /** How long it has been away, ms; 0 when it is not. By the monotonic timer: the wall clock may be set back by hours. */
  get awayForMs(): number {
    return this.#problem === '' ? 0 : performance.now() - this.#awaySinceMs
  }

  /** The running mean of the store's write time, ms. */
  get meanWriteMs(): number {
    return this.#meanWriteMs
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted
  }

  /** Whether a write may begin. */
  get hasSlot(): boolean {
    if (this.isClosed || this.#pause !== undefined) return false
    return this.#writing < (this.#problem === '' ? this.#writer.limits.inFlight : 1)
  }

  /** Call it only while there is a slot. Never rejects. After `close` the answer means nothing. */
  async write(batch: Batch): Promise<WriteResult> {
    this.writes++
    this.#writing++
    const failuresBefore = this.retries
    const startedAtMs = performance.now()
    const result = await this.#writeGuarded(batch)
    this.#writing--
    if (this.isClosed) return result
    if (result.next === 'ack') {
      this.#note(performance.now() - startedAtMs)
      if (this.retries === failuresBefore) this.#isBack()
    } else {
      this.retries++
      if (result.next !== 'postpone' || this.#problem !== '') this.#isAway(result)
    }
    return result
  }

  /** The store is asked at once, however long the pause was to be. */
  endPause(): void {
    this.#backoff.reset()
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#pauseUntilMs = 0
  }

  /** Ends writes under way; none begins any more. */
  close(): void {
    this.#abort.abort()
    clearTimeout(this.#pause)
  }

  /** A writer promises not to reject; one that does has a fault, and its batch is worth another try, not a crash. */
  async #writeGuarded(batch: Batch): Promise<WriteResult> {
    try {
      return await this.#writer.write(batch, this.#abort.signal)
    } catch (error) {
      return { next: 'retry', problem: errorText(error), cause: error }
    }
  }

  #note(writeMs: number): void {
    this.writeTime.record(Math.round(writeMs * 1000))
    this.#meanWriteMs =
      this.#meanWriteMs === 0 ? writeMs : writeMs * NEWEST_WEIGHT + this.#meanWriteMs * (1 - NEWEST_WEIGHT)
  }

  #isBack(): void {
    if (this.#problem === '') return
    this.#logger.info({ awayMs: Math.round(this.awayForMs) }, 'store takes batches again')
    this.#problem = ''
    this.endPause()
    this.#on.away(false)
  }

  /** Two writes may fail together: that is one step of the backoff, and a pause as long as either of them asks for. */
  #pauseFor(leastMs: number): void {
    const nowMs = performance.now()
    const backoffMs = this.#pause === undefined ? this.#backoff.nextMs() : 0
    this.#pauseUntilMs = Math.max(this.#pauseUntilMs, nowMs + Math.max(backoffMs, leastMs))
    clearTimeout(this.#pause)
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#on.free()
    }, this.#pauseUntilMs - nowMs)
  }

  #isAway(result: Exclude<WriteResult, { next: 'ack' }>): void {
    const wasAway = this.#problem !== ''
    if (!wasAway || this.#problem !== result.problem) {
      const level = result.next === 'wait' ? 'error' : 'warn'
      this.#logger[level]({ err: result.cause }, result.problem)
    }
    this.#problem = result.problem
    if (!wasAway) this.#awaySinceMs = performance.now()
    this.#pauseFor(result.afterMs ?? 0)
    if (!wasAway) this.#on.away(true)
  }
}
