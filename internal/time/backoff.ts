/**
 * Pauses between tries: each is drawn evenly from `firstMs / 5` up to a bound that starts at `firstMs` and doubles up to `largestMs`. The
 * jitter keeps servers that lost the same store from coming back to it in step.
 */
export class Backoff {
  readonly #firstMs: number
  readonly #largestMs: number
  readonly #random: () => number
  #tries = 0

  constructor(options: { firstMs: number; largestMs: number; random?: () => number }) {
    this.#firstMs = options.firstMs
    this.#largestMs = options.largestMs
    this.#random = options.random ?? Math.random
  }

  nextMs(): number {
    const bound = Math.min(this.#largestMs, this.#firstMs * 2 ** this.#tries)
    if (bound < this.#largestMs) this.#tries++
    const leastMs = this.#firstMs / 5
    return leastMs + (bound - leastMs) * this.#random()
  }

  reset(): void {
    this.#tries = 0
  }
}
