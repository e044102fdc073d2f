import { expect, it } from 'vitest'
import { countOf, countText, decimalText, numberText } from './count.ts'

it.each([
  [0, '0'],
  [999.6, '1,000'],
  [24_910, '24,910'],
  [12_345_678, '12,345,678'],
])('a count of %d is %s', (count, text) => expect(countText(count)).toBe(text))

it.each([
  [0, 'sample', '0 samples'],
  [1, 'sample', '1 sample'],
  [1234, 'sample', '1,234 samples'],
  [1, 'switch', '1 switch'],
  [50, 'switch', '50 switches'],
])('%d of a thing: %s', (count, noun, text) => expect(countOf(count, noun)).toBe(text))

it.each([
  [1234.5, 2, '1,234.50'],
  [0.125, 2, '0.13'],
  [7, 0, '7'],
  [undefined, 2, '–'],
  [Number.NaN, 2, '–'],
  [Number.POSITIVE_INFINITY, 2, '–'],
])('%s with %d decimals is %s', (value, decimals, text) => expect(decimalText(value, decimals)).toBe(text))

it.each([
  [50_000, '50,000'],
  [2.5, '2.5'],
  [0.001, '0.001'],
])('%d as it was chosen is %s', (value, text) => expect(numberText(value)).toBe(text))
