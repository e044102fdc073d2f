import type { Clock } from './clock.ts'

export interface TickerOptions {
  /** Ticks fall on the multiples of this since the Unix epoch, so that all hosts measure at the same moments. */
  readonly intervalMs: number
  /** Says where the multiples are. How long something took is read from the monotonic timer instead. */
  readonly clock: Clock
  /** @param atUs the multiple that this tick stands for, µs since the Unix epoch */
  readonly onTick: (atUs: number) => Promise<void>
  /** Told of each `onTick` that rejected; the ticks go on. */
  readonly onError?: (error: unknown) => void
}

/**
 * Calls `onTick` at aligned times, never twice at once.
 *
 * A multiple that passed while the last tick was still going, or while the process could not run, is counted in `missed` and left
 * out: measuring twice in a row would only show the same state under two times. When several passed at once, the latest of
 * them is done and the others are missed. Each wait is computed anew from the clock, so lateness never adds up.
 *
 * When the clock is set forward, the next tick carries the new time and nothing is missed, for no time was lost. When it is
 * set back by up to one interval, the next tick waits for its own time, so that no time is used twice; by more, the ticks follow the
 * new clock at once.
 */
export class Ticker {
  #intervalMs: number
  #nextIntervalMs: number
  readonly #clock: Clock
  readonly #onTick: (atUs: number) => Promise<void>
  readonly #onError: (error: unknown) => void

  /** Multiples left out. */
  missed = 0
  /** Ticks done, those included that rejected. */
  ticks = 0
  /** Ticks whose `onTick` rejected. */
  failed = 0

  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #started = false
  /** The multiple that is waited for or being done, and when the monotonic timer (ms) should reach it. */
  #dueUs = 0
  #dueMs = 0
  /** The multiple that was done last. */
  #doneUs = 0

  constructor(options: TickerOptions) {
    this.#intervalMs = this.#nextIntervalMs = checked(options.intervalMs)
    this.#clock = options.clock
    this.#onTick = options.onTick
    this.#onError = options.onError ?? (() => {})
  }

  /** The first tick comes at the next multiple, at most one interval from now. */
  start(): void {
    if (this.#started) return
    this.#started = true
    this.#aimAtNext()
  }

  /** The next tick comes at the next multiple of this; one that is going is not disturbed. */
  setInterval(intervalMs: number): void {
    this.#nextIntervalMs = checked(intervalMs)
    if (!this.#started || this.#running !== undefined) return
    clearTimeout(this.#timer)
    this.#aimAtNext()
  }

  /** No tick begins any more; resolves when the one that is going has ended. */
  async stop(): Promise<void> {
    this.#started = false
    clearTimeout(this.#timer)
    await this.#running
  }

  get #intervalUs(): number {
    return this.#intervalMs * 1000
  }

  #aimAtNext(): void {
    this.#intervalMs = this.#nextIntervalMs
    const nowUs = this.#clock.now()
    const nextUs = (Math.floor(nowUs / this.#intervalUs) + 1) * this.#intervalUs
    // A clock that was set back a little during a tick shows the multiple again that this tick was for.
    this.#dueUs = nextUs === this.#doneUs ? nextUs + this.#intervalUs : nextUs
    this.#wait((this.#dueUs - nowUs) / 1000)
  }

  #wait(ms: number): void {
    this.#dueMs = performance.now() + ms
    this.#timer = setTimeout(() => this.#wake(), Math.ceil(ms))
  }

  #wake(): void {
    const earlyUs = this.#dueUs - this.#clock.now()
    if (earlyUs > this.#intervalUs) this.#aimAtNext()
    // Node's timers count whole milliseconds and may fire one too early.
    else if (earlyUs > 0) this.#wait(earlyUs / 1000)
    else this.#tickNow()
  }

  #tickNow(): void {
    this.#passMissed()
    // A clock that was set forward has left the due time behind without any time passing: it is followed, not counted.
    this.#dueUs = Math.max(this.#dueUs, Math.floor(this.#clock.now() / this.#intervalUs) * this.#intervalUs)
    this.#running = this.#run(this.#dueUs)
  }

  /** Counts the multiples between the due time and now, by the monotonic timer, and moves the due time to the last of them. */
  #passMissed(): void {
    const passed = Math.max(0, Math.floor((performance.now() - this.#dueMs) / this.#intervalMs))
    this.missed += passed
    this.#dueUs += passed * this.#intervalUs
    this.#dueMs += passed * this.#intervalMs
  }

  async #run(atUs: number): Promise<void> {
    try {
      await this.#onTick(atUs)
    } catch (error) {
      this.failed++
      this.#onError(error)
    }
    this.ticks++
    this.#passMissed()
    this.#doneUs = this.#dueUs
    this.#running = undefined
    if (this.#started) this.#aimAtNext()
  }
}

function checked(intervalMs: number): number {
  if (intervalMs > 0) return intervalMs
  throw new RangeError(`intervalMs must be above 0, not ${intervalMs}`)
}
