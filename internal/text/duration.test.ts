import { expect, it } from 'vitest'
import { ageText, latencyText, millisecondsText } from './duration.ts'

it.each([
  [-300, '0.0 s'],
  [400, '0.4 s'],
  [9_949, '9.9 s'],
  [9_950, '9 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3 * 3_600_000, '3 h'],
  [12 * 86_400_000, '12 d'],
  [Number.NaN, '–'],
])('an age of %d ms is %s', (ms, text) => expect(ageText(ms)).toBe(text))

it.each([
  [0, '0 µs'],
  [1, '1 µs'],
  [1.25, '1.3 µs'],
  [12.4, '12 µs'],
  [999, '999 µs'],
  [1_000, '1 ms'],
  [1_250, '1.25 ms'],
  [28_640, '28.6 ms'],
  [999_400, '999 ms'],
  [1_000_000, '1 s'],
  [2_500_000, '2.5 s'],
])('a latency of %d µs is %s', (us, text) => expect(latencyText(us)).toBe(text))

it.each([
  [900, '0.90'],
  [28_400, '28.4'],
  [2_591_600, '2,592'],
  [null, '–'],
])('a latency of %s µs is %s in milliseconds', (us, text) => expect(millisecondsText(us)).toBe(text))
