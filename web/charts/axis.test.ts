import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { threeDigits } from '../../internal/text/figure.ts'
import { byteRateFigure } from '../../internal/text/size.ts'
import { axisEnd, bucketFor, decimalSteps, markText, niceCeiling, uncutTexts } from './axis.ts'

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

  const AXES = [
    ['bytes a second', 1, byteRateFigure],
    ['load', 0.01, (value: number) => ({ text: threeDigits(value), unit: '' })],
  ] as const
  it.each(AXES)('no two marks of an axis of %s read the same', (_name, least, format) => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.integer({ min: 2, max: 20 }), (largest, most) => {
        const end = axisEnd(largest, least)
        // As uPlot does it: the smallest step that leaves enough room between two marks.
        const step = decimalSteps(least).find((size) => end / size <= most)!
        const texts = Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => markText(index * step, format))
        expect(new Set(texts).size).toBe(texts.length)
        expect(texts.length).toBeGreaterThan(1)
      }),
    )
  })

  it.each([
    [0, '0'],
    [3, '3 B/s'],
    [2_500_000, '2.5 MB/s'],
    [10_000_000, '10 MB/s'],
    [1_250_000, '1.25 MB/s'],
  ])('a mark at %d bytes a second reads %s', (value, text) => expect(markText(value, byteRateFigure)).toBe(text))

  it('leaves out the time that the right edge would cut', () => {
    const texts = (edge: number) => uncutTexts(['12:00', '12:01', '12:02'], (index) => index * 60, edge)
    expect(texts(138)).toEqual(['12:00', '12:01', '12:02'])
    expect(texts(130)).toEqual(['12:00', '12:01', ''])
  })

  it('never asks for more buckets than pixels', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 1e11 }), fc.integer({ min: 100, max: 4000 }), (rangeMs, pixels) => {
        expect(rangeMs / bucketFor(rangeMs, pixels)).toBeLessThanOrEqual(pixels)
      }),
    )
  })
})
