import { expect, test } from 'vitest'
import { figureText, threeDigits } from './figure.ts'

test.each([
  [0, '0.00'],
  [0.42, '0.42'],
  [9.994, '9.99'],
  [9.996, '10.0'],
  [99.94, '99.9'],
  [99.96, '100'],
  [999.4, '999'],
])('%d has three digits: %s', (value, text) => expect(threeDigits(value)).toBe(text))

test.each([
  [{ text: '3.10', unit: 'MB/s' }, '3.10 MB/s'],
  [{ text: '0.42', unit: '' }, '0.42'],
])('%o is written %s', (figure, text) => expect(figureText(figure)).toBe(text))
