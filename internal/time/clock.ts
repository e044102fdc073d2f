/** Microseconds since the Unix epoch, UTC, as an integer. */
export interface Clock {
  now(): number
}

const HALF_WINDOW_MS = 30_000
/** Ten looks a millisecond find the moment at which it begins, to 0.1 µs within a second; one at each call would double its cost. */
const LOOK_EVERY_MS = 0.1
/** So many looks find that moment by themselves; fewer may all fall into the same part of a millisecond, as regular timers do. */
const ENOUGH_LOOKS = 10_000
/** Of 20 ns at least each: two milliseconds, after which even a wall clock that stands still is believed. */
const MOST_READINGS = 100_000

/**
 * The only clock of the hot path: the process's monotonic timer plus the largest `Date.now() − timer` of the last minute. `Date.now()`
 * is cut down to whole milliseconds, so the largest difference is the one nearest to the truth; a step of the system's clock
 * is followed within a minute, and forward at once.
 */
export class WallClock implements Clock {
  #largest = -Infinity
  #largestBefore = -Infinity
  #offset = -Infinity
  #looks = 0
  #lookAt = 0
  #turnAt = 0

  now(): number {
    const timer = performance.now()
    if (timer >= this.#lookAt) this.#look(timer)
    return Math.floor((timer + this.#offset) * 1000)
  }

  #look(timer: number): void {
    this.#lookAt = timer + LOOK_EVERY_MS
    if (timer >= this.#turnAt) this.#turn(timer)
    // In this order: a thread that is stopped between the two then finds less than the truth, which the largest does away with. The other way
    // round it found 5 ms too much on a busy machine, and believed that for a minute.
    const offset = Date.now() - performance.now()
    if (offset > this.#largest) this.#largest = offset
    this.#looks++
    this.#offset = Math.max(this.#largest, this.#largestBefore)
  }

  /** Half a minute is over. A process that seldom looks can afford to wait for the next millisecond once in that time. */
  #turn(timer: number): void {
    if (this.#looks < ENOUGH_LOOKS) waitForMillisecond()
    this.#looks = 0
    this.#largestBefore = this.#largest
    this.#largest = -Infinity
    this.#turnAt = timer + HALF_WINDOW_MS
  }
}

function waitForMillisecond(): void {
  const now = Date.now()
  for (let i = 0; i < MOST_READINGS && Date.now() === now; i++);
}
