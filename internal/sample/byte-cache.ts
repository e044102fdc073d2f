import { hashBytes, newSeed } from './hash.ts'

/** About what an entry takes in memory beside its bytes, with its value. */
const ENTRY_BYTES = 128
const [MIN_SLOTS, MIN_BYTES] = [32, 256]
/** A slot has a hash, and the number of an entry plus one. */
const [HASH, ENTRY] = [0, 1]

/**
 * A map whose keys are bytes. A name that comes with every message is made a string, and looked up, only once. All keys
 * stand in one array: a Buffer for each would take 104 bytes beside its content. The cache is bounded: a full one is
 * emptied.
 */
export class ByteCache<T> {
  readonly #maxBytes: number
  readonly #seed = newSeed()
  #slots = new Int32Array(2 * MIN_SLOTS)
  #bytes = Buffer.alloc(MIN_BYTES)
  /** Where the key of each entry ends. It begins where the one before ends. */
  readonly #ends: number[] = []
  readonly #values: T[] = []

  /** @param maxBytes enough, by default, for some 300,000 names */
  constructor(maxBytes = 64 * 1024 * 1024) {
    this.#maxBytes = maxBytes
  }

  get(bytes: Uint8Array, start: number, end: number): T | undefined {
    const entry = this.#slots[this.#find(bytes, start, end) + ENTRY]! - 1
    return entry < 0 ? undefined : this.#values[entry]
  }

  /** Copies the bytes. */
  set(bytes: Uint8Array, start: number, end: number, value: T): void {
    const known = this.#slots[this.#find(bytes, start, end) + ENTRY]! - 1
    if (known >= 0) {
      this.#values[known] = value
      return
    }
    const length = end - start
    if (this.#end + length + (this.#values.length + 1) * ENTRY_BYTES > this.#maxBytes) this.#empty()
    if (this.#end + length > this.#bytes.length) this.#widen(this.#end + length)
    this.#bytes.set(bytes.subarray(start, end), this.#end)
    this.#ends.push(this.#end + length)
    const entry = this.#values.push(value)
    if (4 * entry > this.#slots.length) this.#rehash()
    const slot = this.#find(bytes, start, end)
    this.#slots[slot + HASH] = hashBytes(bytes, start, end, this.#seed)
    this.#slots[slot + ENTRY] = entry
  }

  get #end(): number {
    return this.#ends.at(-1) ?? 0
  }

  /** The slot of a key, or the empty slot where it belongs. */
  #find(bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 2
    const hash = hashBytes(bytes, start, end, this.#seed)
    let slot = (hash << 1) & mask
    for (let entry = slots[slot + ENTRY]!; entry !== 0; entry = slots[slot + ENTRY]!) {
      if (slots[slot + HASH] === hash && this.#isKey(entry - 1, bytes, start, end)) break
      slot = (slot + 2) & mask
    }
    return slot
  }

  #isKey(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.#bytes
    const from = entry === 0 ? 0 : this.#ends[entry - 1]!
    if (this.#ends[entry]! - from !== end - start) return false
    for (let i = start, j = from; i < end; i++, j++) if (bytes[i] !== own[j]) return false
    return true
  }

  #rehash(): void {
    const before = this.#slots
    this.#slots = new Int32Array(2 * before.length)
    const mask = this.#slots.length - 2
    for (let from = 0; from < before.length; from += 2) {
      if (before[from + ENTRY] === 0) continue
      let slot = (before[from + HASH]! << 1) & mask
      while (this.#slots[slot + ENTRY] !== 0) slot = (slot + 2) & mask
      this.#slots[slot + HASH] = before[from + HASH]!
      this.#slots[slot + ENTRY] = before[from + ENTRY]!
    }
  }

  #widen(least: number): void {
    const bytes = Buffer.alloc(Math.max(2 * this.#bytes.length, least))
    bytes.set(this.#bytes)
    this.#bytes = bytes
  }

  #empty(): void {
    this.#slots = new Int32Array(2 * MIN_SLOTS)
    this.#bytes = Buffer.alloc(MIN_BYTES)
    this.#ends.length = 0
    this.#values.length = 0
  }
}
