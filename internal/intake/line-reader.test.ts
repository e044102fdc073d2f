import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordedWrites } from '../../test/support/recorded-influx.ts'
import { isBadLine, parseLines } from '../format/line/parse.ts'
import { parsedSample } from '../format/parsed-sample.ts'
import { isRefusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable } from '../sample/series.ts'
import type { IntakeError } from './errors.ts'
import { LineReader, type ReadBody, type ReadOptions } from './line-reader.ts'

const options: ReadOptions = { unitNs: 1, nowUs: 5_000_000, allOrNothing: false, maxLines: 1000, maxLineBytes: 100_000 }

function read(body: string | Buffer, changed: Partial<ReadOptions> = {}, reader = newReader()): ReadBody {
  return reader.read(Buffer.from(body), { ...options, ...changed })
}

function newReader(maxSeries = 1000): LineReader {
  return new LineReader(new SeriesTable({ maxSeries }))
}

function seen({ series, values, at, tie }: Sample): unknown {
  const fields = series.fieldNames.flatMap((name, i) =>
    values[i] === undefined ? [] : [[name, series.fieldKinds[i], values[i]]],
  )
  return [series.key, fields, at, tie]
}

/** What the parser alone makes of a body, in a table of its own. */
function byParser(bodies: readonly string[], unitNs: number): unknown[] {
  const table = new SeriesTable()
  return bodies.flatMap((body) =>
    [...parseLines(body, { unitNs })].flatMap((line) => {
      const sample = isBadLine(line) ? undefined : parsedSample(line, table, options.nowUs)
      const isKept = sample !== undefined && !isRefusal(sample) && Number.isSafeInteger(sample.at)
      return isKept ? [seen(sample)] : []
    }),
  )
}

const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 18 })
const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc
    .tuple(fc.constantFrom('', '-', '+', '--'), digits, fc.constantFrom('', '.', '..'), digits)
    .map((parts) => parts.join('')),
  fc.constantFrom(
    't',
    'false',
    '"a b"',
    '"a\\"b"',
    '',
    '1e5',
    '1e400',
    '0',
    '-0',
    '9007199254740993',
    '0.1',
    '.5',
    '5.',
  ),
)
const line = fc
  .tuple(
    fc.constantFrom('m', 'm,h=a', 'm,h=b', 'm,h=a\\ b', 'mé,h=ü', '#m', '', 'm,h='),
    fc.constantFrom(' ', ' ', ' ', '  ', '\t', ''),
    fc.array(
      fc.tuple(fc.constantFrom('v', 'w', 'x', 'v v', 'é'), numberText, fc.constantFrom('', '', '', 'i', 'u', 'x')),
      { maxLength: 3 },
    ),
    fc.constantFrom(
      '',
      ' ',
      ' 1',
      ' 123456',
      ' 1795400000000000123',
      ' -5',
      ' 9223372036854775806',
      ' 99999999999999999999',
      ' 1\r',
      ' 1 ',
    ),
  )
  .map(
    ([key, space, fields, time]) =>
      `${key}${space}${fields.map(([name, value, kind]) => `${name}=${value}${kind}`).join(',')}${time}`,
  )

describe('LineReader', () => {
  it('reads lines that it knows as the parser does, and leaves no trace of those that it does not take', () => {
    const bodies = fc.array(
      fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n')),
      { minLength: 2, maxLength: 6 },
    )
    fc.assert(
      fc.property(bodies, fc.constantFrom(1, 1000, 1_000_000, 1_000_000_000), (some, unitNs) => {
        const reader = newReader()
        // Each twice: the second time its lines are known.
        const all = some.flatMap((body) => [body, body])
        const samples = all.flatMap((body) => read(body, { unitNs }, reader).samples.map(seen))
        expect(samples).toEqual(byParser(all, unitNs))
      }),
      { numRuns: 500 },
    )
  })

  it.each(
    recordedWrites.filter(({ written_before }) => written_before === null).map((write) => [write.case, write] as const),
  )('judges "%s" as InfluxDB 2.7 does, or more strictly where its own bounds are lower', (name, { body, answers }) => {
    const { status } = answers['influxdb-2.7.12']
    const { samples, bad, refused } = read(body, { unitNs: 1000, allOrNothing: true })
    const isStricter = ['tag value of 65,000 bytes', 'field key time beside another'].includes(name)
    if (body.includes('…<')) return
    if (status === 400) expect([samples.length, bad.count > 0]).toEqual([0, true])
    else if (status === 422) expect(refused.count).toBeGreaterThan(0)
    else if (!isStricter) expect([bad.first, refused.first]).toEqual([[], []])
  })

  it.each<[string, string, Partial<ReadOptions>, taken: number, bad: string[], refused?: string[]]>([
    ['good lines', 'm v=1\nm v=2\n', {}, 2, []],
    ['a bad line among good ones', 'm v=1\nbad\nm v=2', {}, 2, ['2 bad: no field (column 4)']],
    ['the same, all or nothing', 'm v=1\nbad\nm v=2', { allOrNothing: true }, 0, ['2 bad: no field (column 4)']],
    [
      'a field of another type',
      'm v=1\nm v="x"',
      {},
      1,
      [],
      ['2 m v="x": field type conflict: v is string, was float'],
    ],
    [
      'the same, all or nothing',
      'm v=1\nm v="x"',
      { allOrNothing: true },
      1,
      [],
      ['2 m v="x": field type conflict: v is string, was float'],
    ],
    [
      'the name of a field that vanishes',
      'm time=1',
      {},
      0,
      [],
      ['1 m time=1: a field named "time" vanishes in InfluxDB'],
    ],
    [
      'a long line',
      `m v="${'x'.repeat(50)}"`,
      { maxLineBytes: 40 },
      0,
      [`1 m v="${'x'.repeat(50)}": a line over 40 bytes`],
    ],
    [
      'a string that no store takes',
      `m v="${'x'.repeat(65_536)}"`,
      {},
      0,
      [`1 m v="${'x'.repeat(395)}…: field v: a string over 65535 bytes`],
    ],
    [
      'a time that no frame has',
      'm v=1 9223372036854775000',
      {},
      0,
      ['1 m v=1 9223372036854775000: a time beyond 2^53 µs'],
    ],
    ['comments and blank lines', '\n# c\n  \nm v=1\n\n', {}, 1, []],
    ['a string over several lines', 'm v="a\nb"\nbad\n', {}, 1, ['3 bad: no field (column 4)']],
  ])('takes of %s', (_what, body, changed, taken, bad, refused = []) => {
    const found = read(body, changed)
    const words = ({ first }: ReadBody['bad']): string[] =>
      first.map(({ lineNumber, text, reason }) => `${lineNumber} ${text}: ${reason}`)
    expect(found.samples).toHaveLength(taken)
    expect(words(found.bad)).toEqual(bad)
    expect(words(found.refused)).toEqual(refused)
  })

  it('gives lines without a time the time at which they are taken', () => {
    const reader = newReader()
    for (let i = 0; i < 2; i++) expect(read('m v=1', { nowUs: 7 }, reader).samples).toMatchObject([{ at: 7, tie: 0 }])
  })

  it('counts all bad lines and names the first hundred', () => {
    const { bad } = read('bad\n'.repeat(500))
    expect([bad.count, bad.first.length, bad.first.at(-1)?.lineNumber]).toEqual([500, 100, 100])
  })

  it('takes no more lines than it may in one request', () => {
    expect(read('m v=1\n'.repeat(1000)).samples).toHaveLength(1000)
    expect(() => read('m v=1\n'.repeat(1001))).toThrow(
      expect.objectContaining<Partial<IntakeError>>({ kind: 'too_large', message: 'over 1000 lines in one request' }),
    )
  })

  it('refuses a series for which there is no room, and no other', () => {
    const reader = newReader(2)
    const { samples, refused } = read('m,h=a v=1\nm,h=b v=1\nm,h=c v=1\nm,h=a v=2', {}, reader)
    expect([samples.length, refused.first.map(({ reason }) => reason)]).toEqual([3, ['no room for one more series']])
  })

  it('names what is older than the store keeps', () => {
    const oldest = { atUs: 2_000_000, words: 'before the 7d that are kept' }
    const { samples, old } = read('m v=1 1000000000\nm v=2 3000000000', { oldest })
    expect([samples.length, old.count, old.first[0]?.reason]).toEqual([1, 1, 'before the 7d that are kept'])
  })

  it('remembers nothing of a body of which nothing is kept', () => {
    const reader = newReader()
    read('m v="text"\nbad', { allOrNothing: true }, reader)
    expect(read('m v=1', {}, reader).samples).toHaveLength(1)
  })
})
