import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MISSING, NOT_A_NUMBER, readValue } from './values.ts'

describe('readValue', () => {
  it.each([
    ['0', 0],
    ['97', 97],
    [' 97 ', 97],
    ['-1.5', -1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['+1e3', 1000],
    ['8.5371e-7', 8.5371e-7],
    ['2147483631', 2147483631],
    ['2147483636', 2147483636],
    ['140737488355327', 140737488355327],
    ['140737488355332', 140737488355332],
    ['4294967295', 4294967295],
    ['+Inf', Infinity],
    ['-inf', -Infinity],
    [57, 57],
    [Infinity, Infinity],
  ])('reads %j as %d', (text, expected) => expect(readValue(text)).toBe(expected))

  it.each([
    ...['', ' ', 'N/A', '[N/A]', '[Not Supported]', '[Unknown Error]', '[GPU requires reset]', 'Not Supported'],
    ...['<<<NULL>>>', '<<<NOT_FOUND>>>', '<<<NOT_SUPPORTED>>>', '<<<NOT_PERMISSIONED>>>', 'NaN', 'null', '-'],
    ...['9223372036854775792', '9223372036854775793', '9223372036854775794', '9223372036854775795'],
    ...['2147483632', '2147483633', '2147483634', '2147483635'],
    ...['140737488355328', '140737488355328.000000', '140737488355329.0', '1.40737488355331e+14'],
    Number.NaN,
    2 ** 63,
  ])('takes %j as no value', (text) => expect(readValue(text)).toBe(MISSING))

  it.each(['ERROR - FAILED TO CONVERT TO STRING', 'P0', '0x10', '1,5', '12 W', '1 2', '--1', '1e', 'true'])(
    'finds no number in %j',
    (text) => expect(readValue(text)).toBe(NOT_A_NUMBER),
  )

  it('reads each number as it was written', () => {
    const numbers = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 2e9 })
    fc.assert(fc.property(numbers, (number) => void expect(readValue(String(number))).toBe(number + 0)))
  })
})
