import fc from 'fast-check'
import { build, JsHistogram } from 'hdr-histogram-js'
import { describe, expect, test } from 'vitest'
import { Histogram } from './histogram.ts'

const LARGEST = 0xffff_ffff
const PERCENTILES = [0.1, 1, 25, 50, 75, 90, 99, 99.9, 100]

/** Integers of every magnitude, bucket borders among them. */
const value = fc.oneof(
  fc.nat(3000),
  fc.integer({ min: 0, max: LARGEST }),
  fc.tuple(fc.nat(32), fc.integer({ min: -1, max: 1 })).map(([power, step]) => clamp(2 ** power + step)),
)

function clamp(n: number): number {
  return Math.min(Math.max(n, 0), LARGEST)
}

/** The types of the library leave it out. */
const { decode } = JsHistogram as unknown as { decode(data: Uint8Array, bitBucketSize: 64): JsHistogram }

function of(values: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const v of values) histogram.record(v)
  return histogram
}

describe('a histogram', () => {
  test('gives the percentiles of HdrHistogram, capped at the largest value that was recorded', () => {
    const reference = build({ highestTrackableValue: LARGEST, numberOfSignificantValueDigits: 3, bitBucketSize: 32 })
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 400 }), (values) => {
        const max = Math.max(...values)
        const ours = of(values)
        reference.reset()
        for (const v of values) reference.recordValue(v)
        for (const p of PERCENTILES) {
          expect(ours.percentile(p)).toBe(Math.min(reference.getValueAtPercentile(p), max))
        }
        expect([ours.count, ours.max]).toEqual([values.length, max])
      }),
    )
  })

  test('is read by the decoder of HdrHistogram, with every count', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 400 }), (values) => {
        const ours = of(values)
        const read = decode(ours.encode(), 64)
        const buckets = [...ours.buckets()]
        expect(read.totalCount).toBe(values.length)
        for (const [largest, count] of buckets) expect(read.getCountAtIndex(read.countsArrayIndex(largest))).toBe(count)
      }),
    )
  })

  test('encodes counts of many bytes', () => {
    const ours = of([7])
    for (let doubled = 0; doubled < 40; doubled++) ours.add(ours)
    expect(decode(ours.encode(), 64).totalCount).toBe(2 ** 40)
  })

  test('is off by less than one part in a thousand', () => {
    fc.assert(
      fc.property(value, (v) => {
        const histogram = of([v, LARGEST])
        expect(histogram.percentile(50)).toBeGreaterThanOrEqual(v)
        expect(histogram.percentile(50)).toBeLessThanOrEqual(v * 1.001)
      }),
    )
  })

  test('added to another is the histogram of all values; cleared it is empty', () => {
    fc.assert(
      fc.property(fc.array(value), fc.array(value), (a, b) => {
        const sum = of(a)
        sum.add(of(b))
        expect(figures(sum)).toEqual(figures(of([...a, ...b])))
        sum.clear()
        expect(figures(sum)).toEqual(figures(new Histogram()))
      }),
    )
  })

  test('counts the values up to each bound', () => {
    const histogram = of([0, 10, 10, 11, 2000, 2_000_000, LARGEST])
    expect(histogram.countsUpTo([0, 9, 10, 2000, 1_000_000, 2_000_000, 2 ** 40])).toEqual([1, 1, 3, 5, 5, 6, 7])
  })

  test('counts a value beyond its range as the largest', () => {
    expect(figures(of([2 ** 40]))).toEqual(figures(of([LARGEST])))
  })
})

function figures(histogram: Histogram): unknown {
  const percentiles = PERCENTILES.map((p) => histogram.percentile(p))
  return { percentiles, count: histogram.count, sum: histogram.sum, max: histogram.max }
}
