import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Histogram } from '../../internal/observe/histogram.ts'
import { type Counts, countsOf, merge, subtract } from './counts.ts'

const LARGEST = 0xffff_ffff

/** Small ones, which have a bucket of their own, and large ones, which share theirs. */
const values = fc.array(fc.oneof(fc.nat(20), fc.nat(5000), fc.integer({ min: 0, max: LARGEST })), { maxLength: 200 })

function histogramOf(list: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const value of list) histogram.record(value)
  return histogram
}
const of = (list: readonly number[]): Counts => countsOf(histogramOf(list))

describe('the counts of a histogram', () => {
  test('are its buckets that are not empty, each with the largest value that falls into it', () => {
    expect(of([])).toEqual({ count: 0, sum: 0, max: 0, buckets: [] })
    const buckets = [
      [0, 1],
      [10, 2],
      [2048 + 1, 1],
      [LARGEST, 1],
    ]
    expect(of([10, 0, LARGEST, 2048, 10])).toEqual({ count: 5, sum: 2068 + LARGEST, max: LARGEST, buckets })
  })

  test('survive JSON', () => {
    fc.assert(
      fc.property(values, (list) => {
        expect(JSON.parse(JSON.stringify(of(list)))).toEqual(of(list))
      }),
    )
  })

  test('merged are those of all values', () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 4 }), (lists) => {
        expect(merge(lists.map(of))).toEqual(of(lists.flat()))
      }),
    )
  })

  test('of two readings are subtracted: the time between is left, its largest value known by its bucket only', () => {
    fc.assert(
      fc.property(values, values, (before, between) => {
        const later = of([...before, ...between])
        const { max, ...counted } = subtract(later, of(before))
        const { max: exact, ...expected } = of(between)
        expect(counted).toEqual(expected)
        expect(max).toBeGreaterThanOrEqual(exact)
        expect(max).toBeLessThanOrEqual(exact * 1.001)
      }),
    )
  })

  test('of two processes cannot be subtracted', () => {
    expect(() => subtract(of([1, 2]), of([1, 1]))).toThrow('the process was restarted')
    expect(() => subtract(of([1, 2]), of([3]))).toThrow('the process was restarted')
  })
})
