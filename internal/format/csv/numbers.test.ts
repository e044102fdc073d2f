import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDecimal, parseInteger } from './numbers.ts'

const COMMA = Buffer.from(',')

/** Reads a cell where it lies: between others, which must not be read. */
function within<T>(parse: (bytes: Buffer, start: number, end: number) => T, text: string): T {
  const cell = Buffer.from(text)
  return parse(Buffer.concat([Buffer.from('7,'), cell, COMMA, Buffer.from('8\n')]), 2, 2 + cell.length)
}

const decimal = (text: string): number => within(parseDecimal, text)
const integer = (text: string): number | bigint | undefined => within(parseInteger, text)

const sign = fc.constantFrom('', '-', '+')
const digits = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'00123456789'), maxLength })
const exponent = fc.oneof(
  fc.constant(''),
  fc
    .tuple(fc.constantFrom('e', 'E'), sign, fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 400 })))
    .map(([letter, of, power]) => `${letter}${of}${power}`),
)
const fraction = digits(25).map((text) => `.${text}`)
/** Most are numbers; some have no digit. */
const written = fc.tuple(sign, digits(25), fc.oneof(fc.constant(''), fraction), exponent).map((parts) => parts.join(''))
/** Short texts of what numbers are made of: most are none. */
const nearly = fc.string({ unit: fc.constantFrom(...'0019.eE+- x'), maxLength: 8 })

/** What `Number` says, but for what is no decimal number: nothing, hexadecimals, words. */
function numberOf(text: string): number {
  return text.trim() === '' || /[a-df-z]/i.test(text) ? Number.NaN : Number(text)
}

/** The integer in digits, as BigInt reads it; undefined where there is a fraction. */
function wholeOf(text: string): bigint | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text.trim())
  if (match === null) return undefined
  const [, of, whole = '', behind = '', power = '0'] = match
  if (whole + behind === '') return undefined
  const shift = Number(power) - behind.length
  const all = BigInt(whole + behind)
  const scale = 10n ** BigInt(Math.abs(shift))
  if (shift < 0 && all % scale !== 0n) return undefined
  const value = shift < 0 ? all / scale : all * scale
  return of === '-' ? -value : value
}

describe('parseDecimal', () => {
  it('says what Number says, to the last bit', () => {
    fc.assert(
      fc.property(fc.oneof(written, nearly), (text) => {
        expect(decimal(text)).toBe(numberOf(text))
      }),
      { numRuns: 5_000 },
    )
  })

  it('reads every double back that JavaScript writes, and every one with so many digits', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: 1, max: 17 }), (value, of) => {
        expect(decimal(String(value))).toBe(Object.is(value, -0) ? 0 : value)
        for (const text of [value.toExponential(of), value.toPrecision(of)]) expect(decimal(text)).toBe(Number(text))
      }),
      { numRuns: 2_000 },
    )
  })

  it.each<[string, number]>([
    ['0', 0],
    ['-0', -0],
    ['-0.0e5', -0],
    ['.5', 0.5],
    ['5.', 5],
    ['007.50', 7.5],
    ['9007199254740993', 9_007_199_254_740_992],
    ['5.48295e-7', 5.48295e-7],
    ['1e22', 1e22],
    ['1e23', 1e23],
    ['4.9e-324', 5e-324],
    ['1e400', Infinity],
    ['-1e400', -Infinity],
    ['1e-400', 0],
    ['0e99999999999999999999', 0],
    [' 12 ', 12],
    ...[
      '',
      '.',
      '-',
      '+',
      'e5',
      '.e5',
      '1e',
      '1e+',
      '1.5.2',
      '1,5',
      '0x10',
      '1_000',
      'Infinity',
      'NaN',
      '1 2',
      '١',
    ].map((text): [string, number] => [text, Number.NaN]),
  ])('%j is %d', (text, value) => {
    expect(decimal(text)).toBe(value)
  })
})

describe('parseInteger', () => {
  it('is exact in all of 64 bits, and takes nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(written, nearly), (text) => {
        const whole = wholeOf(text)
        const fits = whole !== undefined && whole > -(2n ** 63n) && whole < 2n ** 63n
        const value = integer(text)
        expect(value === undefined ? undefined : BigInt(value)).toBe(fits ? whole : undefined)
        if (typeof value === 'number') expect(Number.isSafeInteger(value) && !Object.is(value, -0)).toBe(true)
        else if (value !== undefined) expect(Number.isSafeInteger(Number(value))).toBe(false)
      }),
      { numRuns: 5_000 },
    )
  })

  it('gives integers of 64 bits back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), (value) => {
        expect(BigInt(integer(`${value}`)!)).toBe(value)
      }),
    )
  })

  it.each<[string, number | bigint | undefined]>([
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740992', 9_007_199_254_740_992n],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9007199254740993', -9_007_199_254_740_993n],
    ['9223372036854775807', 9_223_372_036_854_775_807n],
    ['9223372036854775808', undefined],
    ['-9223372036854775807', -9_223_372_036_854_775_807n],
    ['-9223372036854775808', undefined],
    ['18446744073709551615', undefined],
    ['-0', 0],
    ['+5', 5],
    ['00000000000000000000000000000007', 7],
    ['7.0', 7],
    ['1.5e3', 1500],
    ['1.5', undefined],
    ['1e19', undefined],
    ['1e18', 1_000_000_000_000_000_000n],
    ['100e-2', 1],
    ['5e-400', undefined],
    ['0e400', 0],
    ['1e99999999999999999999', undefined],
    ['', undefined],
    ['-', undefined],
    ['0x10', undefined],
    ['12a', undefined],
  ])('%j is %s', (text, value) => {
    expect(integer(text)).toBe(value)
  })
})
