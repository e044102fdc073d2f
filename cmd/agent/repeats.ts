/** An exporter that says one bad line says it at each question. */
const REPEATS_AFTER_MS = 3_600_000
const MAX_KEYS = 100_000

/** Tells what comes for the first time within an hour from what comes again. */
export class Repeats {
  readonly #seenAtMs = new Map<number | string, number>()

  isNew(key: number | string, nowMs: number): boolean {
    const seenAtMs = this.#seenAtMs.get(key)
    if (seenAtMs !== undefined && nowMs - seenAtMs < REPEATS_AFTER_MS) return false
    if (this.#seenAtMs.size >= MAX_KEYS) this.#seenAtMs.clear()
    this.#seenAtMs.set(key, nowMs)
    return true
  }
}
