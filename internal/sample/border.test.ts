import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanText, refuseTime } from './border.ts'

describe('cleanText', () => {
  const cases: Array<[string, string, string]> = [
    ['plain text', 'web-01', 'web-01'],
    ['quotes, emoji, commas and spaces stay', 'a "b", c=d 🚀', 'a "b", c=d 🚀'],
    ['line breaks and tabs are written out', 'a\nb\rc\td', 'a\\nb\\rc\\td'],
    ['other control characters go', 'a\u0000b\u001bc\u007f', 'abc'],
    ['a backslash at the end goes', 'C:\\', 'C:'],
    ['so do several', 'C:\\\\', 'C:'],
    ['and one before a delimiter', 'a\\ b\\,c\\=d', 'a b,c=d'],
    ['and one before a quote', 'a\\"b\\\\"', 'a"b"'],
    ['a backslash elsewhere stays', 'C:\\temp', 'C:\\temp'],
    ['a control character between a backslash and a delimiter', 'a\\\u0000,b', 'a,b'],
    ['a lone surrogate', 'a\ud800b', 'a\ufffdb'],
  ]
  it.each(cases)('%s', (_name, text, want) => expect(cleanText(text)).toBe(want))

  it('takes a time in proportion to the length: a square of this would be minutes', () => {
    const backslashes = '\\'.repeat(500_000)
    expect(cleanText(`${backslashes}a\n`)).toBe(`${backslashes}a\\n`)
  })

  it('is at rest: cleaned text is clean', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => cleanText(cleanText(text)) === cleanText(text)))
  })
})

describe('refuseTime', () => {
  const window = { maxAgeUs: 100, maxFutureUs: 10 }
  const cases: Array<[number, string | undefined]> = [
    [1000, undefined],
    [1010, undefined],
    [1011, 'time_in_future'],
    [900, undefined],
    [899, 'time_too_old'],
    [Number.NaN, 'time_too_old'],
    [Infinity, 'time_in_future'],
    [-Infinity, 'time_too_old'],
  ]
  it.each(cases)('a sample of %d, received at 1000', (at, reason) => {
    expect(refuseTime(at, 1000, window)?.reason).toBe(reason)
  })
})
