import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bucketFor,
  formatAge,
  formatBytes,
  formatLatency,
  formatPercent,
  formatRate,
  formatSpan,
  formatTime,
  levelOf,
  niceCeiling,
  threeDigits,
} from './units.ts'

describe('figures', () => {
  it.each([
    [0, '0.00'],
    [0.42, '0.42'],
    [9.994, '9.99'],
    [9.996, '10.0'],
    [99.94, '99.9'],
    [99.96, '100'],
    [999.4, '999'],
  ])('%d has three digits: %s', (value, text) => expect(threeDigits(value)).toBe(text))

  it.each([
    [0, '0 B/s'],
    [999, '999 B/s'],
    [999.6, '1.00 kB/s'],
    [412_000, '412 kB/s'],
    [3_100_000, '3.10 MB/s'],
    [999_499_999, '999 MB/s'],
    [999_500_000, '1.00 GB/s'],
  ])('a rate of %d is %s', (value, text) => {
    const figure = formatRate(value)
    expect(`${figure.text} ${figure.unit}`).toBe(text)
  })

  it.each([
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [6.1 * 2 ** 30, '6.10 GiB'],
    [15.6 * 2 ** 30, '15.6 GiB'],
  ])('a size of %d is %s', (value, text) => {
    const figure = formatBytes(value)
    expect(`${figure.text} ${figure.unit}`).toBe(text)
  })

  it('never needs more than four characters, so that nothing on the page moves', () => {
    const sizes = fc.double({ min: 0, max: 1e20, noNaN: true })
    fc.assert(
      fc.property(sizes, (size) => {
        expect(formatRate(size).text.length).toBeLessThanOrEqual(4)
        expect(formatBytes(size).text.length).toBeLessThanOrEqual(4)
      }),
    )
    fc.assert(
      fc.property(fc.double({ min: 0, max: 100, noNaN: true }), (percent) => {
        expect(formatPercent(percent).text.length).toBeLessThanOrEqual(4)
      }),
    )
  })

  it('says latencies in milliseconds, and that one is unknown', () => {
    expect(formatLatency(900)).toBe('0.90')
    expect(formatLatency(28_400)).toBe('28.4')
    expect(formatLatency(null)).toBe('–')
  })

  it.each([
    [0, 'ok'],
    [74.9, 'ok'],
    [75, 'warning'],
    [89.9, 'warning'],
    [90, 'critical'],
  ])('%d %% is %s', (percent, level) => expect(levelOf(percent)).toBe(level))
})

describe('time', () => {
  it.each([
    [-300, '0.0 s'],
    [400, '0.4 s'],
    [9_949, '9.9 s'],
    [9_950, '9 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3 * 3_600_000, '3 h'],
    [12 * 86_400_000, '12 d'],
  ])('an age of %d ms is %s', (ageMs, text) => expect(formatAge(ageMs)).toBe(text))

  it('names the day of a span once', () => {
    const noon = new Date(2025, 10, 23, 12, 0, 5).getTime()
    expect(formatTime(noon)).toBe('12:00:05')
    expect(formatSpan(noon, noon + 60_000)).toBe('23 Nov 12:00:05 – 12:01:05')
    expect(formatSpan(noon, noon + 86_400_000)).toBe('23 Nov 12:00:05 – 24 Nov 12:00:05')
  })
})

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
