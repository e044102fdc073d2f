/** So many entries make a read worth its price: command, wake-up and system calls cost as much as some 60 entries. */
const WORTH = 600
/** The longest pause: entries wait for the store's next batch for as long anyway, which cuts the pause to its age. */
const MAX_PAUSE_MS = 40
/** Entries a ms below which each is read as soon as it is there: a pause would bring hardly more than one. */
const TOO_FEW = 0.2
/** How long the rate remembers. */
const SMOOTHED_MS = 100

/**
 * How long a reader waits before its next read, so that it brings hundreds of entries. Without a pause, Redis answers
 * with the first entry that comes: at 30,000 entries a second a read brought nine, and the reads took half of the
 * server's time.
 */
export class ReadPace {
  /** Entries a ms, smoothed. */
  #rate = 0
  #tookAtMs = 0

  /** A read brought entries. @param nowMs by the monotonic timer */
  took(entries: number, nowMs: number): void {
    const sinceMs = Math.max(nowMs - this.#tookAtMs, 0.1)
    this.#tookAtMs = nowMs
    const weight = 1 - Math.exp(-sinceMs / SMOOTHED_MS)
    this.#rate += (entries / sinceMs - this.#rate) * weight
  }

  /** 0 where a pause would gain nothing. */
  get pauseMs(): number {
    return this.#rate < TOO_FEW ? 0 : Math.min(MAX_PAUSE_MS, WORTH / this.#rate)
  }
}
