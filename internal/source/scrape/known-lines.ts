import { hashBytes, newSeed } from '../../sample/hash.ts'
import { sameBytes, viewOf } from '../../sample/same-bytes.ts'

const FIRST_LINES = 1024
const [HASH, NUMBER] = [0, 1]
const [START, END, PLACES] = [0, 1, 2]

/**
 * The lines of a target, known again by their bytes up to the value: what a line means is found out once. A target gives
 * its lines mostly in the order of the time before, so the line that followed then is compared first.
 */
export class KnownLines {
  /** How many lines are known. */
  size = 0
  readonly #seed = newSeed()
  #bytes = Buffer.allocUnsafeSlow(64 * 1024)
  #view = viewOf(this.#bytes)
  #end = 0
  /** Where the bytes of each line begin and end. */
  #places = new Uint32Array(PLACES * FIRST_LINES)
  /** The number of the line that followed, by the number of the line. */
  #followers = new Int32Array(FIRST_LINES).fill(-1)
  /** Open addressing: a slot has a hash, and the number of a line plus one. */
  #slots = new Int32Array(4 * FIRST_LINES)
  #last = 0

  /**
   * @param view of the same bytes
   * @returns the number of the line; −1 for one that is new
   */
  find(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const guess = this.#followers[this.#last]!
    if (guess >= 0 && this.#isLine(guess, view, start, end)) {
      this.#last = guess
      return guess
    }
    const hash = hashBytes(bytes, start, end, this.#seed)
    const mask = this.#slots.length - 2
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const number = this.#slots[at + NUMBER]! - 1
      if (number < 0) return -1
      if (this.#slots[at + HASH] === hash && this.#isLine(number, view, start, end)) return this.#follow(number)
    }
  }

  /** Takes a line that it does not know. @returns its number, which is one more than that of the line taken before */
  add(bytes: Uint8Array, start: number, end: number): number {
    const number = this.size++
    if (this.size > this.#followers.length) this.#grow()
    this.#reserve(end - start)
    this.#bytes.set(bytes.subarray(start, end), this.#end)
    this.#places[PLACES * number + START] = this.#end
    this.#end += end - start
    this.#places[PLACES * number + END] = this.#end
    this.#put(hashBytes(bytes, start, end, this.#seed), number)
    return this.#follow(number)
  }

  #follow(number: number): number {
    this.#followers[this.#last] = number
    this.#last = number
    return number
  }

  #isLine(number: number, view: DataView, start: number, end: number): boolean {
    const ownStart = this.#places[PLACES * number + START]!
    const length = this.#places[PLACES * number + END]! - ownStart
    return length === end - start && sameBytes(this.#view, ownStart, view, start, length)
  }

  #put(hash: number, number: number): void {
    const mask = this.#slots.length - 2
    let at = (hash << 1) & mask
    while (this.#slots[at + NUMBER] !== 0) at = (at + 2) & mask
    this.#slots[at + HASH] = hash
    this.#slots[at + NUMBER] = number + 1
  }

  #grow(): void {
    const lines = 2 * this.#followers.length
    const followers = new Int32Array(lines).fill(-1)
    followers.set(this.#followers)
    this.#followers = followers
    const places = new Uint32Array(PLACES * lines)
    places.set(this.#places)
    this.#places = places
    const before = this.#slots
    this.#slots = new Int32Array(4 * lines)
    for (let at = 0; at < before.length; at += 2) {
      const number = before[at + NUMBER]! - 1
      if (number >= 0) this.#put(before[at + HASH]!, number)
    }
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(2 * (this.#end + bytes))
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = larger
    this.#view = viewOf(larger)
  }
}
