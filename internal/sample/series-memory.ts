import { viewOf } from './same-bytes.ts'

/** A series, as the memory sees it: where its numbers and its names are. */
export interface Tenant {
  numbersAt: number
  readonly numberCount: number
  readonly namesAt: number
  readonly namesBytes: number
  /** Takes its bytes along from the array before. */
  moveBytes(from: Uint8Array): void
}

/** Series that hold less begin with so much room. */
const MIN_NUMBERS = 32
const MIN_BYTES = 256

/**
 * The numbers and the texts of many series, in one array each, those of a series side by side. An array of its own for
 * each would take more for its objects than for its content: 88 bytes for five numbers, 104 for a name.
 *
 * A range is taken at the end of an array, and never given back. When the array is full, what is in use is copied into
 * a new one, which is twice as long as that. So each of n series is copied about once, however many come and go. Where
 * nearly all is in use, the array is copied as it is: one move of memory in place of one for each series.
 */
export class SeriesMemory<T extends Tenant> {
  numbers = new Float64Array(MIN_NUMBERS)
  bytes = Buffer.alloc(MIN_BYTES)
  /** The same bytes: what reads four at a time, reads them here. */
  view = viewOf(this.bytes)
  /** The series whose ranges are in use, by their number. Numbers of series that are gone are used again. */
  readonly series: Array<T | undefined> = []
  #numbersEnd = 0
  #bytesEnd = 0
  #unusedNumbers = 0
  #unusedBytes = 0

  /** @returns the index of the first of so many numbers; what is there is left over from others */
  takeNumbers(count: number): number {
    if (this.#numbersEnd + count > this.numbers.length) this.#moveNumbers(count)
    const at = this.#numbersEnd
    this.#numbersEnd += count
    return at
  }

  /**
   * Makes a range longer.
   *
   * @returns where it begins now
   */
  growNumbers(at: number, count: number, by: number): number {
    if (at + count === this.#numbersEnd && this.#numbersEnd + by <= this.numbers.length) {
      this.#numbersEnd += by
      return at
    }
    const before = this.numbers
    // The old range is in use until it is copied: a move would else leave it behind.
    const next = this.takeNumbers(count + by)
    this.numbers.set(before.subarray(at, at + count), next)
    this.#unusedNumbers += count
    return next
  }

  /** @returns the index of a copy of these bytes */
  takeBytes(from: Uint8Array): number {
    if (this.#bytesEnd + from.length > this.bytes.length) this.#moveBytes(from.length)
    const at = this.#bytesEnd
    this.bytes.set(from, at)
    this.#bytesEnd += from.length
    return at
  }

  /** Nobody uses so many numbers and bytes any more. Their series is no longer in `series`. */
  forget(numbers: number, bytes: number): void {
    this.#unusedNumbers += numbers
    this.#unusedBytes += bytes
  }

  #moveNumbers(more: number): void {
    const before = this.numbers
    if (isMostlyUsed(this.#unusedNumbers, this.#numbersEnd)) {
      this.numbers = new Float64Array(Math.max(MIN_NUMBERS, 2 * (this.#numbersEnd + more)))
      this.numbers.set(before)
      return
    }
    const used = this.#numbersEnd - this.#unusedNumbers + more
    this.numbers = new Float64Array(Math.max(MIN_NUMBERS, 2 * used))
    this.#numbersEnd = 0
    this.#unusedNumbers = 0
    for (const series of this.series) {
      if (series === undefined) continue
      const { numbersAt, numberCount } = series
      const at = this.#numbersEnd
      for (let i = 0; i < numberCount; i++) this.numbers[at + i] = before[numbersAt + i]!
      series.numbersAt = at
      this.#numbersEnd += numberCount
    }
  }

  #moveBytes(more: number): void {
    const before = this.bytes
    if (isMostlyUsed(this.#unusedBytes, this.#bytesEnd)) {
      this.bytes = Buffer.alloc(Math.max(MIN_BYTES, 2 * (this.#bytesEnd + more)))
      this.bytes.set(before)
      this.view = viewOf(this.bytes)
      return
    }
    const used = this.#bytesEnd - this.#unusedBytes + more
    this.bytes = Buffer.alloc(Math.max(MIN_BYTES, 2 * used))
    this.view = viewOf(this.bytes)
    this.#bytesEnd = 0
    this.#unusedBytes = 0
    for (const series of this.series) if (series !== undefined) series.moveBytes(before)
  }
}

function isMostlyUsed(unused: number, end: number): boolean {
  return 4 * unused <= end
}
