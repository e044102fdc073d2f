/** Microseconds since the Unix epoch, UTC, as an integer. */
export interface Clock {
  now(): number
}

const HALF_WINDOW_MS = 30_000

/**
 * The only clock of the hot path: the process's monotonic timer plus the largest `Date.now() − timer` of the last minute. `Date.now()`
 * is cut down to whole milliseconds, so the largest difference is the one nearest to the truth; a step of the system's clock
 * is followed within a minute, and forward at once.
 */
export class WallClock implements Clock {
  #largest = -Infinity
  #largestBefore = -Infinity
  #turnAt = 0

  now(): number {
    const timer = performance.now()
    const offset = Date.now() - timer
    if (timer >= this.#turnAt) {
      this.#largestBefore = this.#largest
      this.#largest = offset
      this.#turnAt = timer + HALF_WINDOW_MS
    } else if (offset > this.#largest) this.#largest = offset
    const largest = Math.max(this.#largest, this.#largestBefore)
    return Math.floor((timer + largest) * 1000)
  }
}
