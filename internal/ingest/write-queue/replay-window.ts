/** A write may take so much longer than the shortest one before the window shrinks, ms. */
const TARGET_MS = 25
/** How fast the shortest write is forgotten: after a thousand writes, two thirds of the way to the present ones. */
const FORGOTTEN_A_WRITE = 1 / 1000

/**
 * How many writes from the spool may be under way beside the fresh ones: a congestion window as in LEDBAT (RFC 6817),
 * which is made for work in the background. While a write takes about as long as the shortest one, the window grows by
 * one for each windowful. Once writes take longer by the target, it shrinks as fast, because more of them only wait for
 * each other. So a far store gets several side by side, and a near one that is busy gets one after the other. A failure,
 * or a fresh batch that has to wait, halves it.
 */
export class ReplayWindow {
  #size = 1
  #shortestMs = 0
  #newestMs = 0
  #halvedAtMs = -Infinity

  /** At least 1. */
  get size(): number {
    return Math.floor(this.#size)
  }

  /** A write from the spool was stored. @param most bound of the window */
  stored(writeMs: number, most: number): void {
    this.#newestMs = writeMs
    const forgotten = this.#shortestMs + (writeMs - this.#shortestMs) * FORGOTTEN_A_WRITE
    this.#shortestMs = this.#shortestMs === 0 ? writeMs : Math.min(writeMs, forgotten)
    const room = Math.max(-1, 1 - (writeMs - this.#shortestMs) / TARGET_MS)
    this.#size = Math.max(1, Math.min(most, this.#size + room / this.#size))
  }

  /** The store has no room: a write failed, or something fresh waits. Counts once in the time of a write. */
  congested(nowMs: number): void {
    if (nowMs - this.#halvedAtMs < this.#newestMs) return
    this.#halvedAtMs = nowMs
    this.#size = Math.max(1, this.#size / 2)
  }
}
