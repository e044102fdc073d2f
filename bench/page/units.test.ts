import { expect, it } from 'vitest'
import { latencyText, percentileText, shareText, shortCount } from './units.ts'

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
])('%d µs is %s', (us, text) => {
  expect(latencyText(us)).toBe(text)
})

it.each([
  [2, '50 %'],
  [10, '90 %'],
  [100, '99 %'],
  [137, '99.27 %'],
  [1_000, '99.9 %'],
  [100_000, '99.999 %'],
])('all but one in %d is %s', (oneIn, text) => {
  expect(percentileText(oneIn)).toBe(text)
})

it.each([
  [0, '0'],
  [2.5, '2.5'],
  [999, '999'],
  [12_400, '12.4k'],
  [250_000, '250k'],
  [1_250_000, '1.25M'],
])('%d is %s on an axis', (count, text) => {
  expect(shortCount(count)).toBe(text)
})

it.each([
  [0, '0.00 %'],
  [0.0312, '3.12 %'],
  [0.0996, '10.0 %'],
  [1, '100.0 %'],
])('a share of %d is %s', (share, text) => {
  expect(shareText(share)).toBe(text)
})
