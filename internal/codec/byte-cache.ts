interface Entry<T> {
  readonly bytes: Buffer
  readonly value: T
}

/** About what an entry takes in memory beside its bytes. */
const ENTRY_BYTES = 128

/**
 * A map whose keys are bytes. A name that comes with every message is made a string, and looked up, only once. The
 * cache is bounded: a full one is emptied. Two keys with the same hash (one in 2^30) displace each other, which only
 * costs time.
 */
export class ByteCache<T> {
  readonly #entries = new Map<number, Entry<T>>()
  readonly #maxBytes: number
  #bytes = 0

  /** @param maxBytes enough, by default, for the names of twice as many series as a table has */
  constructor(maxBytes = 64 * 1024 * 1024) {
    this.#maxBytes = maxBytes
  }

  get(bytes: Buffer, start: number, end: number): T | undefined {
    const entry = this.#entries.get(hash(bytes, start, end))
    if (entry === undefined || entry.bytes.length !== end - start) return undefined
    const own = entry.bytes
    for (let i = 0; i < own.length; i++) if (own[i] !== bytes[start + i]) return undefined
    return entry.value
  }

  /** Copies the bytes. */
  set(bytes: Buffer, start: number, end: number, value: T): void {
    this.#bytes += end - start + ENTRY_BYTES
    if (this.#bytes > this.#maxBytes) {
      this.#entries.clear()
      this.#bytes = end - start + ENTRY_BYTES
    }
    this.#entries.set(hash(bytes, start, end), { bytes: Buffer.from(bytes.subarray(start, end)), value })
  }
}

/** FNV-1a, cut to 30 bits: a small integer of V8, which a Map finds without a heap object. */
function hash(bytes: Buffer, start: number, end: number): number {
  let h = 0x811c9dc5
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return h & 0x3fffffff
}
