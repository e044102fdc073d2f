import { expect, it } from 'vitest'
import { Histogram } from '../../internal/observe/histogram.ts'
import { countsOf } from '../load/counts.ts'
import { curveOf, ONE_IN } from './curve.ts'

it('reads the percentiles that people name', () => {
  expect(ONE_IN[0]).toBe(2)
  expect(ONE_IN.at(-1)).toBe(100_000)
  for (const oneIn of [10, 100, 1_000, 10_000]) expect(ONE_IN).toContain(oneIn)
})

it('is the percentiles of the histogram, up to where one value would decide', () => {
  const histogram = new Histogram()
  for (let value = 1; value <= 1_000; value++) histogram.record(value)
  const counts = countsOf(histogram)
  const curve = curveOf(counts)
  expect(curve[0]).toBe(500)
  expect(curve[ONE_IN.indexOf(100)]).toBe(histogram.percentile(99))
  expect(curve[ONE_IN.indexOf(1_000)]).toBe(histogram.percentile(99.9))
  expect(curve[ONE_IN.indexOf(1_000) + 1]).toBeNull()
  expect(curveOf({ count: 0, sum: 0, max: 0, buckets: [] }).every((us) => us === null)).toBe(true)
})
