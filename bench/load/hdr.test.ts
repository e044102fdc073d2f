import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Histogram } from '../../internal/observe/histogram.ts'
import { countsOf } from './counts.ts'
import { decodeCounts, hdrOf, percentileOf } from './hdr.ts'

const LARGEST = 0xffff_ffff
const PERCENTILES = [0.1, 1, 25, 50, 75, 90, 99, 99.9, 100]

/** Small ones, which have a bucket of their own, and large ones, which share theirs. */
const values = fc.array(fc.oneof(fc.nat(20), fc.nat(5000), fc.integer({ min: 0, max: LARGEST })), { maxLength: 200 })

function histogramOf(list: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const value of list) histogram.record(value)
  return histogram
}

test('the counts of a server are decoded as they were', () => {
  fc.assert(
    fc.property(values, (list) => {
      const histogram = histogramOf(list)
      const { count, sum, max } = histogram
      const encoded = { count, sum, max, hdr: histogram.encode().toString('base64') }
      expect(decodeCounts(encoded)).toEqual(countsOf(histogram))
    }),
  )
})

test('the percentiles of counts are those of the recorder: the largest value of a bucket, also of the last', () => {
  fc.assert(
    fc.property(values, (list) => {
      const histogram = histogramOf(list)
      const counts = countsOf(histogram)
      for (const p of PERCENTILES) {
        expect(Math.min(percentileOf(counts, p), histogram.max)).toBe(histogram.percentile(p))
      }
      expect(hdrOf(counts).totalCount).toBe(list.length)
      expect(percentileOf(counts, 100)).toBe(counts.buckets.at(-1)?.[0] ?? 0)
    }),
  )
})

test('more values than 32 bits count', () => {
  const counts = { count: 2 ** 40, sum: 0, max: 9, buckets: [[9, 2 ** 40] as const] }
  expect(hdrOf(counts).totalCount).toBe(2 ** 40)
})
