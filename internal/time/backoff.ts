/**
 * Pauses between attempts. Each pause is random between `firstMs / 5` and a bound that starts at `firstMs` and doubles
 * up to `largestMs`. The jitter keeps servers that lost the same store from retrying at the same moment.
 */
export class Backoff {
  readonly #firstMs: number
  readonly #largestMs: number
  readonly #random: () => number
  #attempts = 0

  constructor(options: { firstMs: number; largestMs: number; random?: () => number }) {
    this.#firstMs = options.firstMs
    this.#largestMs = options.largestMs
    this.#random = options.random ?? Math.random
  }

  /** The next pause, ms. */
  nextMs(): number {
    const bound = Math.min(this.#largestMs, this.#firstMs * 2 ** this.#attempts)
    if (bound < this.#largestMs) this.#attempts++
    const leastMs = this.#firstMs / 5
    return leastMs + (bound - leastMs) * this.#random()
  }

  /** After a success: the next pause is a first one again. */
  reset(): void {
    this.#attempts = 0
  }
}
