// The global of the same name is a getter, which V8 calls each time.
import { performance } from 'node:perf_hooks'

/** Microseconds since the Unix epoch, UTC, as an integer. */
export interface Clock {
  now(): number
}

const HALF_WINDOW_MS = 30_000
/**
 * Ten comparisons per millisecond find the start of a millisecond to 0.1 µs within a second. One at each call would
 * double the cost of `now`.
 */
const COMPARE_EVERY_MS = 0.1
/**
 * This many comparisons find the start of a millisecond. Fewer can all hit the same part of it, because timers are
 * regular.
 */
const ENOUGH_COMPARISONS = 10_000
/** A reading takes at least 20 ns. After this many (2 ms) the wait ends, even if the wall clock stands still. */
const MAX_READINGS = 100_000

/**
 * The only clock of the hot path: the monotonic timer of the process plus an offset, the largest `Date.now() − timer`
 * of the last minute. `Date.now()` is rounded down to a millisecond, so the largest difference is the most accurate.
 * The clock follows a step of the system's clock within a minute, and a step forward immediately.
 */
export class WallClock implements Clock {
  #largest = -Infinity
  #largestBefore = -Infinity
  #offset = -Infinity
  #comparisons = 0
  #compareAt = 0
  #windowEndsAt = 0

  now(): number {
    const timer = performance.now()
    if (timer >= this.#compareAt) this.#compare(timer)
    return Math.floor((timer + this.#offset) * 1000)
  }

  #compare(timer: number): void {
    this.#compareAt = timer + COMPARE_EVERY_MS
    if (timer >= this.#windowEndsAt) this.#startWindow(timer)
    // The order matters. If the thread pauses between the two readings, the difference is too small, and the largest
    // one discards it. In the other order it was 5 ms too large on a busy machine, and stayed so for a minute.
    const offset = Date.now() - performance.now()
    if (offset > this.#largest) this.#largest = offset
    this.#comparisons++
    this.#offset = Math.max(this.#largest, this.#largestBefore)
  }

  /**
   * Starts a window of half a minute. A process with few comparisons can afford to wait for the next millisecond once
   * per window.
   */
  #startWindow(timer: number): void {
    if (this.#comparisons < ENOUGH_COMPARISONS) waitForMillisecond()
    this.#comparisons = 0
    this.#largestBefore = this.#largest
    this.#largest = -Infinity
    this.#windowEndsAt = timer + HALF_WINDOW_MS
  }
}

function waitForMillisecond(): void {
  const now = Date.now()
  for (let i = 0; i < MAX_READINGS && Date.now() === now; i++);
}
