/** A map with fewer entries is not swept. */
const MIN_SWEPT = 64

/** A map that does not keep its values alive. It drops the keys of values that are gone when it has doubled. */
export class WeakValues<T extends object> {
  readonly #refs = new Map<string, WeakRef<T>>()
  #sweptAt = MIN_SWEPT

  get(key: string): T | undefined {
    return this.#refs.get(key)?.deref()
  }

  set(key: string, value: T): void {
    this.#refs.set(key, new WeakRef(value))
    if (this.#refs.size < this.#sweptAt) return
    for (const [name, ref] of this.#refs) if (ref.deref() === undefined) this.#refs.delete(name)
    this.#sweptAt = Math.max(MIN_SWEPT, 2 * this.#refs.size)
  }
}
