/** Smaller batches would cost more requests than they save. */
const MIN_BYTES = 16 * 1024
const GROW_EVERY_MS = 60_000

/**
 * The size of a batch that the server takes. A 413 halves it. It grows back by an eighth a minute up to the configured size, because the
 * limit of a proxy may have been raised.
 */
export class BatchSize {
  readonly #configured: number
  #maxBytes: number
  #changedAtMs = 0

  constructor(configuredBytes: number) {
    this.#configured = configuredBytes
    this.#maxBytes = configuredBytes
  }

  get maxBytes(): number {
    return this.#maxBytes
  }

  /** The server answered 413 to a body of `bytes`. */
  shrink(bytes: number): void {
    this.#changedAtMs = performance.now()
    this.#maxBytes = Math.min(this.#maxBytes, Math.max(MIN_BYTES, bytes >> 1))
  }

  /** The server took a body. */
  grow(): void {
    if (this.#maxBytes >= this.#configured || performance.now() - this.#changedAtMs < GROW_EVERY_MS) return
    this.#changedAtMs = performance.now()
    this.#maxBytes = Math.min(this.#configured, this.#maxBytes + Math.ceil(this.#maxBytes / 8))
  }
}
