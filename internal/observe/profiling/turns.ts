/** What runs of one kind, and what waits for it, in order. */
interface Line {
  /** When the running one ends, in ms of `performance.now`. */
  endsMs: number
  readonly waiting: Array<{ readonly durationMs: number; readonly begin: () => void }>
}

/** It would have to wait too long, or too many wait already. */
export class NoTurn extends Error {
  /** Until the next could begin. */
  readonly remainingMs: number

  constructor(remainingMs: number) {
    super()
    this.remainingMs = remainingMs
  }
}

/**
 * Runs one thing of each kind at a time. The next of a kind waits for its turn, if that is near and the queue is short:
 * two people who ask at the same time both get an answer, and nobody can keep the others out with a row of requests.
 */
export class Turns {
  readonly #maxWaiting: number
  readonly #maxWaitMs: number
  readonly #lines = new Map<string, Line>()
  #waiting = 0

  /** @param maxWaiting of all kinds together */
  constructor({ maxWaiting, maxWaitMs }: { readonly maxWaiting: number; readonly maxWaitMs: number }) {
    this.#maxWaiting = maxWaiting
    this.#maxWaitMs = maxWaitMs
  }

  /**
   * @param durationMs how long `run` will take
   * @throws NoTurn at once; the signal's reason when the signal is aborted before the turn comes
   */
  async take<T>(kind: string, durationMs: number, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    await this.#turn(kind, durationMs, signal)
    const line = this.#lines.get(kind)!
    try {
      return await run()
    } finally {
      const next = line.waiting.shift()
      if (next === undefined) this.#lines.delete(kind)
      else next.begin()
    }
  }

  async #turn(kind: string, durationMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const line = this.#lines.get(kind)
    if (line === undefined) {
      this.#lines.set(kind, { endsMs: performance.now() + durationMs, waiting: [] })
      return
    }
    const ahead = line.waiting.reduce((totalMs, waiting) => totalMs + waiting.durationMs, 0)
    const waitMs = Math.max(0, line.endsMs - performance.now()) + ahead
    if (this.#waiting >= this.#maxWaiting || waitMs > this.#maxWaitMs) throw new NoTurn(waitMs)
    this.#waiting++
    try {
      await new Promise<void>((resolve, reject) => {
        const begin = (): void => {
          line.endsMs = performance.now() + durationMs
          resolve()
        }
        const place = { durationMs, begin }
        line.waiting.push(place)
        signal.addEventListener('abort', () => {
          const at = line.waiting.indexOf(place)
          // Its turn may have come in the same moment: then it runs, and `run` sees the signal.
          if (at < 0) return
          line.waiting.splice(at, 1)
          reject(signal.reason)
        })
      })
    } finally {
      this.#waiting--
    }
  }
}
