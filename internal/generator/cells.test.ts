import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Counters, targetOf, writeCount, writeDecimal } from './cells.ts'

const target = targetOf(Buffer.alloc(64))
const textOf = (end: number): string => target.bytes.toString('latin1', 0, end)
const MOST = 2n ** 63n - 1n

it('counters are exact up to 2^63 - 1, and stay there', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: MOST }),
      fc.array(fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 52 }))),
      (first, added) => {
        const counters = new Counters(3, (row) => (row === 1 ? first : 0n))
        let expected = first
        for (const count of added) {
          counters.add(1, count)
          expected = expected + BigInt(count) > MOST ? MOST : expected + BigInt(count)
          expect(textOf(counters.write(1, target, 0))).toBe(`${expected}`)
        }
        expect([0, 2].map((row) => textOf(counters.write(row, target, 0)))).toEqual(['0', '0'])
      },
    ),
  )
})

it.each([0n, 999_999_999n, 1_000_000_000n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, MOST - 1n, MOST])(
  'a counter of %s is written so',
  (value) => {
    expect(textOf(new Counters(1, () => value).write(0, target, 0))).toBe(`${value}`)
  },
)

it('counts are written as JavaScript prints them', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      expect(textOf(writeCount(value, target, 0))).toBe(`${value}`)
    }),
  )
})

it('decimals keep their zeros', () => {
  expect(textOf(writeDecimal(152, 1, target, 0))).toBe('152.0')
  expect(textOf(writeDecimal(0, 2, target, 0))).toBe('0.00')
  expect(textOf(writeDecimal(0.999_6, 3, target, 0))).toBe('1.000')
  fc.assert(
    fc.property(fc.nat({ max: 1e9 }), fc.constantFrom(1, 2, 3), (scaled, decimals: 1 | 2 | 3) => {
      const value = scaled / 10 ** decimals
      expect(textOf(writeDecimal(value, decimals, target, 0))).toBe(value.toFixed(decimals))
    }),
  )
})
