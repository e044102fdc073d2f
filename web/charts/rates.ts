/**
 * Turns counters since boot into rates a second. A counter that went backwards was restarted. Its rate over the restart is
 * unknown, so the line has a gap there.
 */
export class CounterRates {
  readonly #last = new Map<string, { atMs: number; value: number }>()

  /**
   * The rate since the last reading of a counter.
   *
   * @returns null after a restart; undefined for the first reading and for one that is not newer
   */
  next(key: string, atMs: number, value: number): number | null | undefined {
    const last = this.#last.get(key)
    if (last !== undefined && atMs <= last.atMs) return undefined
    this.#last.set(key, { atMs, value })
    if (last === undefined) return undefined
    return value < last.value ? null : ((value - last.value) * 1000) / (atMs - last.atMs)
  }
}

/**
 * Adds up the values of several series at one moment. Their samples may come in more than one event; the sum is right after
 * each. `counts` decides which parts count beside the others: a partition does not, beside its disk.
 */
export class MomentSum {
  readonly #counts: (key: string, others: ReadonlyMap<string, number | null>) => boolean
  readonly #parts = new Map<string, number | null>()
  #atMs = -Infinity

  constructor(counts: (key: string, others: ReadonlyMap<string, number | null>) => boolean = () => true) {
    this.#counts = counts
  }

  /** @returns the sum so far for that moment; null when a part is unknown, undefined when a newer moment has begun */
  add(key: string, atMs: number, value: number | null): number | null | undefined {
    if (atMs < this.#atMs) return undefined
    if (atMs > this.#atMs) this.#parts.clear()
    this.#atMs = atMs
    this.#parts.set(key, value)
    let sum = 0
    for (const [part, amount] of this.#parts) {
      if (!this.#counts(part, this.#parts)) continue
      if (amount === null) return null
      sum += amount
    }
    return sum
  }
}
