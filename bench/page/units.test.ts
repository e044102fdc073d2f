import { expect, it } from 'vitest'
import { percentileText, shareText, shortCount } from './units.ts'

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
