import type { Clock } from './clock.ts'

export interface TickerOptions {
  /** Ticks fall on multiples of the interval since the Unix epoch, so that all hosts measure at the same moments. */
  readonly intervalMs: number
  /** The clock of the multiples. Durations come from the monotonic timer. */
  readonly clock: Clock
  /** @param atUs the multiple of this tick, µs since the Unix epoch */
  readonly onTick: (atUs: number) => Promise<void>
  /** Gets the error of each `onTick` that rejects. The ticks continue. */
  readonly onError?: (error: unknown) => void
}

/**
 * Calls `onTick` at aligned times, one call at a time.
 *
 * A multiple that passes while the last tick still runs, or while the process cannot run, is skipped and counted in
 * `missed`: a second measurement would only repeat the first. When several multiples pass, the latest is done and the
 * others are missed. Each wait is computed from the clock, so delays do not add up.
 *
 * When the clock is set forward, the next tick has the new time and nothing is missed, because no time was lost. When
 * the clock is set back by up to one interval, the next tick waits for its own time, so that no time is used twice.
 * When it is set back by more, the ticks follow the new clock immediately.
 */
export class Ticker {
  #intervalMs: number
  #nextIntervalMs: number
  readonly #clock: Clock
  readonly #onTick: (atUs: number) => Promise<void>
  readonly #onError: (error: unknown) => void

  /** Skipped multiples. */
  missed = 0

  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #started = false
  /** The multiple of the next or current tick, and when the monotonic timer (ms) reaches it. */
  #dueUs = 0
  #dueMs = 0
  /** The multiple of the last tick. */
  #doneUs = 0

  constructor(options: TickerOptions) {
    this.#intervalMs = this.#nextIntervalMs = checked(options.intervalMs)
    this.#clock = options.clock
    this.#onTick = options.onTick
    this.#onError = options.onError ?? (() => {})
  }

  /** Starts the ticks. The first one comes at the next multiple, at most one interval from now. */
  start(): void {
    if (this.#started) return
    this.#started = true
    this.#scheduleNext()
  }

  /** Changes the interval. The next tick comes at the next multiple of the new one; a running tick is not disturbed. */
  setInterval(intervalMs: number): void {
    this.#nextIntervalMs = checked(intervalMs)
    if (!this.#started || this.#running !== undefined) return
    clearTimeout(this.#timer)
    this.#scheduleNext()
  }

  /** Stops the ticks. Resolves when the running tick has ended. */
  async stop(): Promise<void> {
    this.#started = false
    clearTimeout(this.#timer)
    await this.#running
  }

  get #intervalUs(): number {
    return this.#intervalMs * 1000
  }

  #scheduleNext(): void {
    this.#intervalMs = this.#nextIntervalMs
    const nowUs = this.#clock.now()
    const nextUs = (Math.floor(nowUs / this.#intervalUs) + 1) * this.#intervalUs
    // After a clock was set back a little during a tick, the next multiple can be the one that the tick was for.
    this.#dueUs = nextUs === this.#doneUs ? nextUs + this.#intervalUs : nextUs
    this.#wait((this.#dueUs - nowUs) / 1000)
  }

  #wait(ms: number): void {
    this.#dueMs = performance.now() + ms
    this.#timer = setTimeout(() => this.#onTimer(), Math.ceil(ms))
  }

  #onTimer(): void {
    const earlyUs = this.#dueUs - this.#clock.now()
    if (earlyUs > this.#intervalUs) this.#scheduleNext()
    // Node's timers count whole milliseconds, and can fire 1 ms early.
    else if (earlyUs > 0) this.#wait(earlyUs / 1000)
    else this.#tickNow()
  }

  #tickNow(): void {
    this.#skipMissed()
    // After a clock was set forward the due time is in the past, but no time was lost: the tick follows it and counts
    // nothing as missed.
    this.#dueUs = Math.max(this.#dueUs, Math.floor(this.#clock.now() / this.#intervalUs) * this.#intervalUs)
    this.#running = this.#run(this.#dueUs)
  }

  /**
   * Counts the multiples that passed since the due time, by the monotonic timer, and moves the due time to the last of
   * them.
   */
  #skipMissed(): void {
    const passed = Math.max(0, Math.floor((performance.now() - this.#dueMs) / this.#intervalMs))
    this.missed += passed
    this.#dueUs += passed * this.#intervalUs
    this.#dueMs += passed * this.#intervalMs
  }

  async #run(atUs: number): Promise<void> {
    try {
      await this.#onTick(atUs)
    } catch (error) {
      this.#onError(error)
    }
    this.#skipMissed()
    this.#doneUs = this.#dueUs
    this.#running = undefined
    if (this.#started) this.#scheduleNext()
  }
}

function checked(intervalMs: number): number {
  if (intervalMs > 0) return intervalMs
  throw new RangeError(`intervalMs must be above 0, not ${intervalMs}`)
}
