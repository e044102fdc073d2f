import { hashBytes, newSeed } from './hash.ts'
import type { SeriesMemory, Tenant } from './series-memory.ts'

/** Slots of an empty index: a power of two. */
const MIN_SLOTS = 64
const [HASH, NUMBER] = [0, 1]

/**
 * Finds series by the bytes of their names: a hash table with open addressing over one typed array, in which a slot has
 * a hash and the number of a series plus one. It takes 16 to 32 bytes a series, and a search makes no object.
 */
export class SeriesIndex {
  readonly #memory: SeriesMemory<Tenant>
  readonly #seed = newSeed()
  #slots = new Int32Array(2 * MIN_SLOTS)
  #used = 0

  constructor(memory: SeriesMemory<Tenant>) {
    this.#memory = memory
  }

  /** @returns the number of the series with these names, or -1 */
  find(bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 2
    const hash = hashBytes(bytes, start, end, this.#seed)
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const number = slots[at + NUMBER]! - 1
      if (number < 0) return -1
      if (slots[at + HASH] === hash && this.#hasNames(number, bytes, start, end)) return number
    }
  }

  /** Adds a series whose names are in the memory, and which the index does not have. */
  add(number: number): void {
    if (4 * ++this.#used > this.#slots.length) this.#widen()
    this.#put(this.#hashOf(number), number)
  }

  /** Takes out a series that it has. Those behind move up, so that no search ends at the gap. */
  delete(number: number): void {
    const slots = this.#slots
    const mask = slots.length - 2
    let gap = (this.#hashOf(number) << 1) & mask
    while (slots[gap + NUMBER] !== number + 1) gap = (gap + 2) & mask
    for (let at = (gap + 2) & mask; slots[at + NUMBER] !== 0; at = (at + 2) & mask) {
      const home = (slots[at + HASH]! << 1) & mask
      if (((at - home) & mask) < ((at - gap) & mask)) continue
      slots[gap + HASH] = slots[at + HASH]!
      slots[gap + NUMBER] = slots[at + NUMBER]!
      gap = at
    }
    slots[gap + NUMBER] = 0
    this.#used--
  }

  #put(hash: number, number: number): void {
    const mask = this.#slots.length - 2
    let at = (hash << 1) & mask
    while (this.#slots[at + NUMBER] !== 0) at = (at + 2) & mask
    this.#slots[at + HASH] = hash
    this.#slots[at + NUMBER] = number + 1
  }

  #widen(): void {
    const before = this.#slots
    this.#slots = new Int32Array(2 * before.length)
    for (let at = 0; at < before.length; at += 2) {
      const number = before[at + NUMBER]! - 1
      if (number >= 0) this.#put(before[at + HASH]!, number)
    }
  }

  #hasNames(number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { series, bytes: own } = this.#memory
    const { namesAt, namesBytes } = series[number]!
    if (namesBytes !== end - start) return false
    for (let i = start, j = namesAt; i < end; i++, j++) if (bytes[i] !== own[j]) return false
    return true
  }

  #hashOf(number: number): number {
    const { namesAt, namesBytes } = this.#memory.series[number]!
    return hashBytes(this.#memory.bytes, namesAt, namesAt + namesBytes, this.#seed)
  }
}
