import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketFor, niceCeiling } from './axis.ts'

describe('axes and buckets', () => {
  it.each([
    [0, 1],
    [0.03, 0.03],
    [0.035, 0.04],
    [3.1, 4],
    [5, 5],
    [5.1, 6],
    [8.1, 10],
    [256e6, 300e6],
  ])('the axis of %d ends at %d', (value, top) => expect(niceCeiling(value)).toBeCloseTo(top, 12))

  it.each([
    [300_000, 340, 1000],
    [3_600_000, 340, 15_000],
    [604_800_000, 340, 1_800_000],
    [1000, 340, 1000],
    [365 * 86_400_000, 100, 4 * 86_400_000],
  ])('a range of %d ms on %d pixels takes buckets of %d ms', (rangeMs, pixels, bucketMs) =>
    expect(bucketFor(rangeMs, pixels)).toBe(bucketMs),
  )

  it('never asks for more buckets than pixels', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 1e11 }), fc.integer({ min: 100, max: 4000 }), (rangeMs, pixels) => {
        expect(rangeMs / bucketFor(rangeMs, pixels)).toBeLessThanOrEqual(pixels)
      }),
    )
  })
})
