import type { Logger } from 'pino'
import { LatencyRecorder } from '../../observe/latency.ts'
import type { StoreWriter, WriteResult } from '../../store/store.ts'
import { Backoff } from '../../time/backoff.ts'
import type { WriteTimes } from './batch-age.ts'
import type { StateOf } from './modes.ts'
import { RunningQuantile } from './running-quantile.ts'

export interface CircuitBreakerOptions {
  readonly writer: Pick<StoreWriter, 'limits'>
  readonly logger: Logger
}

/** What the breaker knew when a write began; `after` judges the result by it. */
export interface WriteStart {
  readonly atMs: number
  readonly retries: number
  /** Whether the batch comes from the spool. */
  readonly isReplay: boolean
}

/** The store takes nothing now: no write begins during this pause. */
export interface Pause {
  readonly pauseMs: number
}

/** With 30 s, a store that came back was left alone for a quarter of a minute more, and the spool grew. */
const LARGEST_PAUSE_MS = 5000

/**
 * The circuit breaker in front of the store: counts writes, judges what each result says about the store, and computes
 * the pauses. It has no timers and no callbacks; the modes `available`, `paused` and `probing` belong to WriteQueue.
 */
export class CircuitBreaker {
  readonly #writer: CircuitBreakerOptions['writer']
  readonly #logger: Logger
  readonly #backoff = new Backoff({ firstMs: 250, largestMs: LARGEST_PAUSE_MS })
  /** Writes under way, and those of them that come from the spool. */
  #underWay = 0
  #replays = 0
  #awaySinceMs = 0
  #problem = ''
  #pauseUntilMs = 0
  readonly #typicalWriteMs = new RunningQuantile(0.5)
  readonly #tailWriteMs = new RunningQuantile(0.95)
  /** Writes begun, and those of them that must be tried again. */
  writes = 0
  retries = 0
  /** The durations of the writes that the store answered for good. */
  readonly writeTime = new LatencyRecorder()

  constructor({ writer, logger }: CircuitBreakerOptions) {
    this.#writer = writer
    this.#logger = logger
  }

  /** Why the store takes nothing now; '' when it does. */
  get problem(): string {
    return this.#problem
  }

  /**
   * How long the store has been away, ms; 0 when it is not. By the monotonic timer: the wall clock may be set back by
   * hours.
   */
  get awayForMs(): number {
    return this.#problem === '' ? 0 : performance.now() - this.#awaySinceMs
  }

  /** What the store's recent writes took; 0 before the first. */
  get writeTimes(): WriteTimes {
    return { typicalMs: this.#typicalWriteMs.value, tailMs: this.#tailWriteMs.value }
  }

  /**
   * Whether one more write of a fresh batch may begin: an available store takes several side by side, one that is
   * probed takes one.
   */
  hasSlot(store: StateOf<'store'>): boolean {
    if (store === 'paused') return false
    if (store === 'probing') return this.#underWay === 0
    const { inFlight, replays } = this.#writer.limits
    return (replays === 0 ? this.#underWay : this.#underWay - this.#replays) < inFlight
  }

  /** The most writes from the spool that may run at the same time. */
  get mostReplays(): number {
    return Math.max(1, this.#writer.limits.replays)
  }

  /** Whether the store has a place for one more write from the spool, where nothing fresh waits. */
  hasReplaySlot(store: StateOf<'store'>): boolean {
    const isBeside = store === 'available' && this.#writer.limits.replays > 0
    return isBeside ? this.#replays < this.mostReplays : this.hasSlot(store)
  }

  /** A write begins. */
  begin(isReplay: boolean): WriteStart {
    this.writes++
    this.#underWay++
    if (isReplay) this.#replays++
    return { atMs: performance.now(), retries: this.retries, isReplay }
  }

  /**
   * A write has ended.
   *
   * @returns `stored`: the store takes batches; a pause: it does not; `nothing new`: a write that began before the last
   *   failure is stored, or an available store postponed one batch. Neither shows what the store does now.
   */
  after(start: WriteStart, result: WriteResult, store: StateOf<'store'>): 'stored' | 'nothing new' | Pause {
    this.#underWay--
    if (start.isReplay) this.#replays--
    if (result.next === 'ack') {
      this.#recordTime(performance.now() - start.atMs, start.isReplay)
      if (this.retries !== start.retries) return 'nothing new'
      if (store !== 'available') this.#markAvailable()
      return 'stored'
    }
    this.retries++
    if (result.next === 'postpone' && store === 'available') return 'nothing new'
    if (store === 'available') this.#awaySinceMs = performance.now()
    this.#logProblem(result)
    this.#problem = result.problem
    return { pauseMs: this.#nextPauseMs(result.afterMs ?? 0, store) }
  }

  /** The next pause is as short as the first, and no pause is kept any more. */
  reset(): void {
    this.#backoff.reset()
    this.#pauseUntilMs = 0
  }

  /** What is fresh is sealed by the time of its own writes. */
  #recordTime(writeMs: number, isReplay: boolean): void {
    this.writeTime.record(Math.round(writeMs * 1000))
    if (isReplay) return
    this.#typicalWriteMs.record(writeMs)
    this.#tailWriteMs.record(writeMs)
  }

  #markAvailable(): void {
    this.#logger.info({ awayMs: Math.round(this.awayForMs) }, 'store takes batches again')
    this.#problem = ''
    this.reset()
  }

  /** Once for each problem, not once for each try. `wait` is an error because a person must act. */
  #logProblem({ next, problem, cause }: Exclude<WriteResult, { next: 'ack' }>): void {
    if (problem === this.#problem) return
    this.#logger[next === 'wait' ? 'error' : 'warn']({ err: cause }, problem)
  }

  /** Two writes that fail together are one step of the backoff, and the pause is as long as either of them asks for. */
  #nextPauseMs(leastMs: number, store: StateOf<'store'>): number {
    const nowMs = performance.now()
    const backoffMs = store === 'paused' ? 0 : this.#backoff.nextMs()
    this.#pauseUntilMs = Math.max(this.#pauseUntilMs, nowMs + Math.max(backoffMs, leastMs))
    return this.#pauseUntilMs - nowMs
  }
}
