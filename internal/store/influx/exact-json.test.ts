import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseExactly } from './exact-json.ts'

describe('parseExactly', () => {
  it.each<[string, unknown]>([
    ['[9007199254740993]', [['9007199254740993']]],
    ['{"v":-9223372036854775808}', { v: ['-9223372036854775808'] }],
    ['{\n\t"id": 1152921504606846977\n}', { id: ['1152921504606846977'] }],
    ['[1,18446744073709551615]', [1, ['18446744073709551615']]],
    // A number has the same digits.
    ['[9007199254740994,1000000000000000000,100000000000000000000]', [9007199254740994, 1e18, 1e20]],
    [
      '[1795399999000000,0.30000000000000004,12345678901234568.5,1e300]',
      [1795399999000000, 0.1 + 0.2, 12345678901234568, 1e300],
    ],
    ['[90071992547409931e5]', [Number('90071992547409931e5')]],
    // Texts stay as they are.
    [
      '{"a,9007199254740993":[":9007199254740993","\\"[9007199254740993","x\\\\"],"b":9007199254740993}',
      {
        'a,9007199254740993': [':9007199254740993', '"[9007199254740993', 'x\\'],
        b: ['9007199254740993'],
      },
    ],
  ])('%s', (json, want) => {
    expect(parseExactly(json)).toEqual(want)
  })

  it('gives what JSON.parse gives where no integer is large', () => {
    const value = fc.jsonValue().filter((json) => !/\d{16}/.test(JSON.stringify(json).replaceAll(/"[^"]*"/g, '')))
    fc.assert(
      fc.property(value, (json) => {
        expect(parseExactly(JSON.stringify(json))).toEqual(JSON.parse(JSON.stringify(json)))
      }),
    )
  })

  it('gives every 64-bit integer back, whatever texts stand beside it', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n), fc.string({ unit: 'binary' }), (integer, text) => {
        const [before, digits, after] = parseExactly(
          `[${JSON.stringify(text)},${integer},${JSON.stringify(text)}]`,
        ) as unknown[]
        expect([before, String(digits), after]).toEqual([text, String(integer), text])
      }),
    )
  })
})
