import fc from 'fast-check'
import { build } from 'hdr-histogram-js'
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

  test('tells its buckets by two digits too: all values, each at most one part in 128 too large', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 400 }), (values) => {
        const coarse = [...of(values).buckets(2)]
        const bounds = coarse.map(([largest]) => largest)
        expect(bounds).toEqual([...new Set(bounds)].sort((a, b) => a - b))
        const left = values.sort((a, b) => a - b)
        for (const [largest, count] of coarse) {
          for (const each of left.splice(0, count)) {
            expect(each).toBeLessThanOrEqual(largest)
            expect(largest - each).toBeLessThanOrEqual(each / 128)
          }
        }
        expect(left).toEqual([])
      }),
    )
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
