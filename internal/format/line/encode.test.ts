import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitrarySample } from '../../../test/support/arbitrary-samples.ts'
import { isRefusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { SeriesTable } from '../../sample/series.ts'
import { type FieldKind, type FieldValue, hasValue, type Slot, type Tag } from '../../sample/value.ts'
import { encodeLine, encodeLineText, writeLine } from './encode.ts'
import { isBadLine, parseLines } from './parse.ts'

function sampleOf(measurement: string, tags: Tag[], fields: Array<[string, FieldKind, Slot]>): Sample {
  const series = new SeriesTable().intern(measurement, tags, 0)
  if (isRefusal(series)) throw new Error(series.detail)
  const values = fields.map(([name, kind, value]) => {
    series.field(name, kind)
    return value
  })
  return { series, values, at: 1_763_900_000_123_456, tie: 0 }
}

const TIME = '1763900000123456000'

/** The line where there is room for it and no more: then it is written byte by byte. */
function tightLine(sample: Sample): string {
  const line = Buffer.alloc(writeLine(sample, Buffer.alloc(0), 0))
  expect(writeLine(sample, line, 0)).toBe(line.length)
  return `${line}`
}

describe('encodeLine', () => {
  const names: Array<[string, string, Tag[], string, string]> = [
    ['plain', 'cpu', [['host', 'web-01']], 'usage', 'cpu,host=web-01 usage=1'],
    ['tags sorted, empty ones left out', 'cpu', [['host', 'a'], ['b', ''], ['cpu', '0']], 'f', 'cpu,cpu=0,host=a f=1'], // biome-ignore format: a row a line
    ['delimiters', 'a,b c=d', [['k,=', 'v =,']], 'f ,=', 'a\\,b\\ c=d,k\\,\\==v\\ \\=\\, f\\ \\,\\==1'],
    ['quotes', 'm"', [['k"', '"v"']], 'f"', 'm",k"="v" f"=1'],
    ['line breaks', 'm\n', [['k\r', 'v\t']], 'f\n', 'm\\n,k\\r=v\\t f\\n=1'],
    ['backslashes', 'C:\\temp\\', [['k', 'a\\ b\\']], 'f', 'C:\\temp,k=a\\ b f=1'],
    ['beyond ASCII', 'é', [['中', '🚀']], '☂', 'é,中=🚀 ☂=1'],
  ]
  it.each(names)('names: %s', (_name, measurement, tags, field, want) => {
    const sample = sampleOf(measurement, tags, [[field, 'float', 1]])
    expect(encodeLineText(sample)).toBe(`${want} ${TIME}`)
    expect(encodeLine(sample).toString('utf8')).toBe(`${want} ${TIME}\n`)
    expect(encodeLine(sample), 'the same by its kept prefixes').toEqual(encodeLine(sample))
  })

  const values: Array<[FieldKind, Slot, string]> = [
    ['float', 12.5, '12.5'],
    ['float', 0.1, '0.1'],
    ['float', 0.01, '0.01'],
    ['float', 1.1, '1.1'],
    ['float', 999.99, '999.99'],
    ['float', 999.995, '999.995'],
    ['float', 999.9999999999999, '999.9999999999999'],
    ['float', 4.35, '4.35'],
    ['float', 1.005, '1.005'],
    ['float', 100, '100'],
    ['float', 1000, '1000'],
    ['float', 1000.01, '1000.01'],
    ['float', 1000.5, '1000.5'],
    ['float', 65_007, '65007'],
    ['float', 999_999.99, '999999.99'],
    ['float', 1_000_000.01, '1000000.01'],
    ['float', 21_474_835.99, '21474835.99'],
    ['float', 21_474_836, '21474836'],
    ['float', 21_474_836.5, '21474836.5'],
    ['float', 999_999_999, '999999999'],
    ['float', 1_000_000_000, '1000000000'],
    ['float', 4_000_000_007, '4000000007'],
    ['float', 2 ** 53 - 1, '9007199254740991'],
    ['float', 2 ** 53, '9007199254740992'],
    ['float', -2.5, '-2.5'],
    ['float', -0.07, '-0.07'],
    ['float', -1e-7, '-1e-7'],
    ['float', 0, '0'],
    ['float', -0, '-0'],
    ['float', 1e21, '1e+21'],
    ['float', 123456789012345680000, '123456789012345680000'],
    ['float', 5e-324, '5e-324'],
    ['float', 0.1 + 0.2, '0.30000000000000004'],
    ['float', NaN, ''],
    ['float', Infinity, ''],
    ['float', -Infinity, ''],
    ['float', undefined, ''],
    ['float', 'text', ''],
    ['float', 1n, ''],
    ['int', 5, '5i'],
    ['int', 42, '42i'],
    ['int', 1_000, '1000i'],
    ['int', 999_999, '999999i'],
    ['int', 1_000_000, '1000000i'],
    ['int', -17, '-17i'],
    ['int', -0, '0i'],
    ['int', 2 ** 53, '9007199254740992i'],
    ['int', 2n ** 53n + 1n, '9007199254740993i'],
    ['int', -(2 ** 63), '-9223372036854775808i'],
    ['int', 2n ** 63n - 1n, '9223372036854775807i'],
    ['int', 2 ** 63, ''],
    ['int', 2n ** 63n, ''],
    ['int', -(2n ** 63n) - 1n, ''],
    ['int', 1.5, ''],
    ['int', NaN, ''],
    ['int', true, ''],
    ['uint', 5, '5u'],
    ['uint', 2 ** 63, '9223372036854775808u'],
    ['uint', 2n ** 64n - 1n, '18446744073709551615u'],
    ['uint', 2 ** 64, ''],
    ['uint', -1, ''],
    ['uint', -1n, ''],
    ['bool', true, 'true'],
    ['bool', false, 'false'],
    ['bool', 1, ''],
    ['string', '', '""'],
    ['string', 'a "b" \\ c,d=e', '"a \\"b\\" \\\\ c,d=e"'],
    ['string', 'C:\\', '"C:\\\\"'],
    ['string', 'two\nlines\r\n', '"two\nlines\r\n"'],
    ['string', 'é🚀', '"é🚀"'],
    ['string', 'lone \ud800', '"lone \ufffd"'],
    ['string', 5, ''],
  ]
  it.each(values)('a %s of %s', (kind, value, want) => {
    expect(encodeLineText(sampleOf('m', [], [['f', kind, value]]))).toBe(want === '' ? '' : `m f=${want} ${TIME}`)
    const beside = sampleOf('m', [], [['a', 'int', 1], ['f', kind, value], ['z', 'int', 2]]) // biome-ignore format: one line
    expect(encodeLineText(beside)).toBe(`m a=1i,${want === '' ? '' : `f=${want},`}z=2i ${TIME}`)
    expect(tightLine(beside)).toBe(`${encodeLineText(beside)}\n`)
  })

  const times: Array<[number, number, string]> = [
    [1_763_900_000_000_000, 0, '1763900000000000000'],
    [1_763_900_000_000_001, 1, '1763900000000001001'],
    [1_763_900_000_020_300, 40, '1763900000020300040'],
    [1e15, 5, '1000000000000000005'],
    [1e15 - 1, 5, '999999999999999005'],
    [1_763_900_000_999_999, 999, '1763900000999999999'],
    [1_763_900_001_000_000, 7, '1763900001000000007'],
    [2 ** 53 - 1, 999, '9007199254740991999'],
    [1000, 1, '1000001'],
    [999, 0, '999000'],
    [1, 5, '1005'],
    [0, 5, '5'],
    [0, 0, '0'],
    [-1, 0, '-1000'],
    [-1, 1, '-999'],
    [-1_763_900_000_000_001, 999, '-1763900000000000001'],
  ]
  it.each(times)('the time %d µs and %d ns', (at, tie, want) => {
    const sample = sampleOf('m', [], [['f', 'int', 1]])
    expect(`${encodeLine({ ...sample, at, tie })}`).toBe(`m f=1i ${want}\n`)
    expect(tightLine({ ...sample, at, tie })).toBe(`m f=1i ${want}\n`)
  })

  it('values may be fewer than the fields, or more', () => {
    const sample = sampleOf('m', [], [['f', 'int', 1]])
    sample.series.field('later', 'int')
    expect(encodeLineText(sample)).toBe(`m f=1i ${TIME}`)
    expect(encodeLineText({ ...sample, values: [undefined, 2] })).toBe(`m later=2i ${TIME}`)
    expect(encodeLineText({ ...sample, values: [1, 2, 3] })).toBe(`m f=1i,later=2i ${TIME}`)
  })

  it('gives a line that reads back as the same sample, for any sample that passes the border', () => {
    fc.assert(
      fc.property(arbitrarySample(), (sample) => {
        const { series, values } = sample
        const line = encodeLine(sample)
        expect(tightLine(sample)).toBe(`${line}`)
        const fields = series.fieldNames.flatMap((name, i) => {
          const value = values[i]
          return hasValue(value)
            ? [{ name, kind: series.fieldKinds[i], value: asParsed(value, series.fieldKinds[i]) }]
            : []
        })
        if (fields.length === 0) {
          expect(line).toHaveLength(0)
          return
        }
        expect(line.length).toBe(Buffer.byteLength(encodeLineText(sample)) + 1)
        const [parsed, ...more] = parseLines(line)
        expect(more).toEqual([])
        if (parsed === undefined || isBadLine(parsed)) throw new Error(`${line}: ${parsed?.reason}`)
        const timeNs = BigInt(sample.at) * 1000n + BigInt(sample.tie)
        expect(parsed).toEqual({ lineNumber: 1, measurement: series.measurement, tags: series.tags, fields, timeNs })
      }),
      { numRuns: 2_000 },
    )
  })
})

/** What the parser gives: integers as a number where that is exact, text without lone surrogates. */
function asParsed(value: FieldValue, kind: FieldKind | undefined): FieldValue {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'boolean' || kind === 'float') return value
  const exact = BigInt(value)
  return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact
}
