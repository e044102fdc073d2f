import { encodeHdr } from './hdr-encoding.ts'

/** Values up to 2^11 are counted exactly, larger values to within one part in 1,024: "three significant digits". */
const HALF_BITS = 10
/** 2^32 − 1: as microseconds, 71 minutes. */
const LARGEST = 0xffff_ffff
/** Buckets come in blocks of this many: the first two hold up to 2,047, each further one twice as much as all before it. */
const BLOCK = 1 << HALF_BITS

/** The bucket of an integer from 0 to LARGEST, in HdrHistogram's layout for three significant digits. */
function bucketOf(value: number): number {
  const shift = Math.max(31 - HALF_BITS - Math.clz32(value), 0)
  return (shift << HALF_BITS) + (value >>> shift)
}

/** The largest value that falls into a bucket. */
function largestIn(bucket: number): number {
  const shift = Math.max((bucket >> HALF_BITS) - 1, 0)
  return (bucket - (shift << HALF_BITS) + 1) * 2 ** shift - 1
}

/**
 * A high dynamic range histogram of integers, in 16 KB, which grow with the largest value to at most 188 KB. It has the layout and the percentiles of HdrHistogram; its
 * test compares both.
 *
 * Why not hdr-histogram-js: each message needs three records, and a record here costs a sixth (histogram.bench.ts, Node.js
 * 24: 6.1 ns against 36). The library's WebAssembly counts cannot be read for Prometheus, and its 32-bit counts wrap
 * around unnoticed.
 */
export class Histogram {
  /** As many blocks as the largest value so far needs. */
  #counts = new Float64Array(2 * BLOCK)
  #count = 0
  #sum = 0
  #max = 0
  /** Only the buckets from here to `#max` are looked at: a histogram of one value is added or cleared in no time. */
  #min = LARGEST

  get count(): number {
    return this.#count
  }

  get sum(): number {
    return this.#sum
  }

  /** The largest value recorded, exact. */
  get max(): number {
    return this.#max
  }

  /** @param value an integer from 0; a value above 2^32 − 1 counts as 2^32 − 1 */
  record(value: number): void {
    const bounded = Math.min(value, LARGEST)
    const bucket = bucketOf(bounded)
    if (bucket >= this.#counts.length) this.#grow(bucket)
    this.#counts[bucket]!++
    this.#count++
    this.#sum += bounded
    if (bounded > this.#max) this.#max = bounded
    if (bounded < this.#min) this.#min = bounded
  }

  add(other: Histogram): void {
    const top = bucketOf(other.#max)
    if (top >= this.#counts.length) this.#grow(top)
    for (let bucket = bucketOf(other.#min); bucket <= top; bucket++) this.#counts[bucket]! += other.#counts[bucket]!
    this.#count += other.#count
    this.#sum += other.#sum
    this.#max = Math.max(this.#max, other.#max)
    this.#min = Math.min(this.#min, other.#min)
  }

  #grow(bucket: number): void {
    const counts = new Float64Array((Math.floor(bucket / BLOCK) + 1) * BLOCK)
    counts.set(this.#counts)
    this.#counts = counts
  }

  clear(): void {
    this.#counts.fill(0, bucketOf(this.#min), bucketOf(this.#max) + 1)
    this.#count = 0
    this.#sum = 0
    this.#max = 0
    this.#min = LARGEST
  }

  /**
   * The value that `percentile` percent of all values are at or below: the largest of its bucket. 0 when there are no
   * values.
   */
  percentile(percentile: number): number {
    return Histogram.percentilesOf([this], [percentile])[0]!
  }

  /**
   * The percentiles of several histograms together, found in one walk over their buckets: in an agent, which runs
   * without compilers, adding them up and walking once for each percentile took a seventh of its CPU.
   *
   * @param percentiles ascending
   */
  static percentilesOf(histograms: readonly Histogram[], percentiles: readonly number[]): number[] {
    const filled = histograms.filter(({ count }) => count > 0)
    const max = Math.max(0, ...filled.map((each) => each.#max))
    const total = filled.reduce((sum, { count }) => sum + count, 0)
    const found = percentiles.map(() => 0)
    let next = 0
    let rank = rankOf(percentiles[0] ?? 0, total)
    let seen = 0
    const top = bucketOf(max)
    for (let bucket = bucketOf(Math.min(...filled.map((each) => each.#min))); bucket <= top; bucket++) {
      for (const each of filled) seen += each.#counts[bucket] ?? 0
      while (seen >= rank) {
        found[next++] = Math.min(largestIn(bucket), max)
        if (next === percentiles.length) return found
        rank = rankOf(percentiles[next]!, total)
      }
    }
    return found
  }

  /** The buckets that are not empty, ascending: the largest value of each, and its count. */
  *buckets(): Generator<[largest: number, count: number]> {
    const top = bucketOf(this.#max)
    for (let bucket = bucketOf(this.#min); bucket <= top; bucket++) {
      const count = this.#counts[bucket]!
      if (count > 0) yield [largestIn(bucket), count]
    }
  }

  /** In HdrHistogram's V2 encoding. */
  encode(): Buffer {
    return encodeHdr(this.#counts, bucketOf(this.#max), { significantDigits: 3, highestValue: LARGEST })
  }

  /**
   * How many values are at or below each bound. A bound includes the rest of its bucket, at most 0.1 %.
   *
   * @param bounds ascending
   */
  countsUpTo(bounds: readonly number[]): number[] {
    const top = bucketOf(this.#max)
    let bucket = 0
    let seen = 0
    return bounds.map((bound) => {
      const end = Math.min(bucketOf(Math.min(bound, LARGEST)), top)
      for (; bucket <= end; bucket++) seen += this.#counts[bucket]!
      return seen
    })
  }
}

/** Corrects rounding: 99.9 % of 1,000 is 999 values, but the product is 999.0000000000001. */
const RANK_ERROR = 1e-6

/** The position of a percentile among `count` ascending values, from 1. */
function rankOf(percentile: number, count: number): number {
  return Math.max(Math.ceil((percentile / 100) * count - RANK_ERROR), 1)
}
