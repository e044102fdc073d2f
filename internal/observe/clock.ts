/** Microseconds since the Unix epoch, UTC, as an integer. */
export interface Clock {
  now(): number
}

const HALF_WINDOW_MS = 30_000
/** Ten looks a millisecond find the moment at which it begins, to 0.1 µs within a second; at each call they were a third of its cost. */
const LOOK_EVERY_MS = 0.1

/**
 * The only clock of the hot path: the process's monotonic timer plus the largest `Date.now() − timer` of the last minute. `Date.now()`
 * is cut down to whole milliseconds, so the largest difference is the one nearest to the truth; a step of the system's clock
 * is followed within a minute, and forward at once.
 */
export class WallClock implements Clock {
  #largest = -Infinity
  #largestBefore = -Infinity
  #offset = -Infinity
  #lookAt = 0
  #turnAt = 0

  now(): number {
    const timer = performance.now()
    if (timer >= this.#lookAt) this.#look(timer)
    return Math.floor((timer + this.#offset) * 1000)
  }

  #look(timer: number): void {
    this.#lookAt = timer + LOOK_EVERY_MS
    // In this order: a thread that is stopped between the two then finds less than the truth, which the largest does away with. The other way
    // round it found 5 ms too much on a busy machine, and believed that for a minute.
    const offset = Date.now() - performance.now()
    if (timer >= this.#turnAt) {
      this.#largestBefore = this.#largest
      this.#largest = offset
      this.#turnAt = timer + HALF_WINDOW_MS
    } else if (offset > this.#largest) this.#largest = offset
    this.#offset = Math.max(this.#largest, this.#largestBefore)
  }
}
