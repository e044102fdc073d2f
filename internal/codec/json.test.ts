import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitraryStats } from '../../test/support/stats-samples.ts'
import { isRefusal } from '../sample/border.ts'
import { SeriesTable } from '../sample/series.ts'
import { ARRIVAL, codecContract, type Decoded, decode } from './codec.contract.ts'
import { blankHeader } from './codec.ts'
import { jsonCodec, MAX_JSON_BYTES, parseUnusual } from './json.ts'
import { PlainScanner } from './json-scanner.ts'

const hosts = fc.oneof(
  fc.constantFrom('', 'web-01', 'é🚀', 'a "b" \\ c'),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
)

codecContract({
  codec: jsonCodec,
  samples: arbitraryStats({ host: hosts, tie: ARRIVAL.tie }),
  seen: ({ run, seq }) => ({
    ...blankHeader(),
    run,
    seq,
    firstSample: seq,
    heldFrom: seq,
    heldFirstSample: seq,
  }),
})

function decodeText(text: string | Buffer): Decoded {
  return decode(jsonCodec.decoder(new SeriesTable()), Buffer.from(text))
}

const SENT = '"send_time_unix_nano":1763900000123456789'
const SENT_AT = 1_763_900_000_123_456

describe('a JSON message', () => {
  it('becomes a sample of system_stats at the time of its sending, with the tie of its arrival', () => {
    const text = `{"timestamp":1763900000,"cpu_usage":12.5,"mem_usage":63.1,${SENT},"host":"web-01","source":"a/1","seq":17}`
    expect(decodeText(text)).toEqual({
      refusal: undefined,
      refused: [],
      seen: [{ series: 'system_stats\0host\u0001web-01', fields: { cpu: 12.5, mem: 63.1 }, at: SENT_AT, tie: 7 }],
      header: {
        ...blankHeader(),
        ...{
          run: 'a/1',
          seq: 17,
          firstSample: 17,
          heldFrom: 17,
          heldFirstSample: 17,
          sentAt: SENT_AT,
          sampleCount: 1,
        },
      },
    })
  })

  const taken: Array<[string, string, object]> = [
    ['a usual one', `{"timestamp":1,"cpu_usage":1,"mem_usage":2,${SENT}}`, { cpu: 1, mem: 2 }],
    ['no memory', `{"cpu_usage":1,${SENT}}`, { cpu: 1 }],
    ['null is nothing', `{"cpu_usage":null,"mem_usage":2,${SENT}}`, { mem: 2 }],
    ['beyond the doubles', `{"cpu_usage":1e999,"mem_usage":2,${SENT}}`, { mem: 2 }],
    ['of two with one key the later', `{"cpu_usage":1,"cpu_usage":3,${SENT}}`, { cpu: 3 }],
    ['unknown keys', `{"x":[1,{"cpu_usage":9}],"cpu_usage":1,"y":"\\"",${SENT}}`, { cpu: 1 }],
    ['white space anywhere', `\r\n {\t"cpu_usage" :\n1 , ${SENT} }\n`, { cpu: 1 }],
    ['escapes in a key', `{"cpu\\u005fusage":1,${SENT}}`, { cpu: 1 }],
    ['a send time as text', '{"cpu_usage":1,"send_time_unix_nano":"1763900000123456789"}', { cpu: 1 }],
  ]
  it.each(taken)('%s', (_name, text, fields) => {
    expect(decodeText(text)).toMatchObject({ refusal: undefined, seen: [{ fields, at: SENT_AT }] })
    expect(Object.keys(decodeText(text).seen[0]!.fields)).toEqual(Object.keys(fields))
  })

  const untimed: Array<[string, string]> = [
    ['none', ''],
    ['null', ',"send_time_unix_nano":null'],
    ['0', ',"send_time_unix_nano":0'],
    ['less than a microsecond', ',"send_time_unix_nano":999'],
    ['before 1970', ',"send_time_unix_nano":-1763900000123456789'],
  ]
  it.each(untimed)('without a send time (%s) it has the time of its arrival', (_name, text) => {
    const { seen, header } = decodeText(`{"timestamp":1,"cpu_usage":1${text}}`)
    expect([seen[0]?.at, header.sentAt]).toEqual([ARRIVAL.receivedAt, 0])
  })

  const sendTimes: Array<[string, number]> = [
    ['1763900000123456999', SENT_AT],
    ['1763900000123457000', SENT_AT + 1],
    ['9007199254740991999', 2 ** 53 - 1],
    ['1.7639000001234567e18', 1_763_900_000_123_456],
    ['1000', 1],
  ]
  it.each(sendTimes)('reads the send time %s to the microsecond', (nanoseconds, at) => {
    for (const odd of ['', '"odd":"\\n",']) {
      const text = `{${odd}"cpu_usage":1,"send_time_unix_nano":${nanoseconds}}`
      expect(decodeText(text).seen[0]?.at, text).toBe(at)
    }
  })

  const headers: Array<[string, string, string, number]> = [
    ['no seq', '"source":"a"', 'a', -1],
    ['no run id', '"seq":5', '', -1],
    ['a seq that is none', '"source":"a","seq":1.5', 'a', -1],
    ['a run id that is not a string', '"source":5,"seq":5', '', -1],
    ['a run id that is too long', `"source":"${'a'.repeat(257)}","seq":5`, '', -1],
  ]
  it.each(headers)('%s: losses cannot be counted', (_name, text, run, seq) => {
    expect(decodeText(`{"cpu_usage":1,${text}}`).header).toMatchObject({ run, seq, firstSample: 0, heldFrom: 0 })
  })

  const tags: Array<[string, string, string]> = [
    ['newline', '"a\\nb"', 'a\\nb'],
    ['quote', '"a\\"b"', 'a"b'],
    ['emoji, raw', '"🚀"', '🚀'],
    ['emoji, escaped', '"\\ud83d\\ude80"', '🚀'],
    ['half an emoji', '"\\ud83d"', '\ufffd'],
  ]
  it.each(tags)('host with %s', (_name, json, host) => {
    expect(decodeText(`{"cpu_usage":1,"host":${json}}`).seen[0]?.series).toBe(`system_stats\0host\u0001${host}`)
  })

  it('bytes that are not UTF-8 become U+FFFD', () => {
    const { seen } = decodeText(Buffer.from('{"cpu_usage":1,"host":"\xff"}', 'latin1'))
    expect(seen[0]?.series).toBe('system_stats\0host\u0001\ufffd')
  })

  const refused: Array<[string, string, string]> = [
    ['broken', '{"cpu_usage":1', 'json_syntax'],
    ['broken numbers', '{"cpu_usage":01}', 'json_syntax'],
    ['NaN', '{"cpu_usage":NaN}', 'json_syntax'],
    ['text after it', '{"cpu_usage":1}{', 'json_syntax'],
    ['a raw newline in a string', '{"cpu_usage":1,"host":"a\nb"}', 'json_syntax'],
    ['nothing', '', 'json_syntax'],
    ['an array', '[{"cpu_usage":1}]', 'json_shape'],
    ['null', 'null', 'json_shape'],
    ['no values', '{"timestamp":1763900000}', 'json_shape'],
    ['an empty object', '{}', 'json_shape'],
    ['text for a number', '{"cpu_usage":"12","mem_usage":1}', 'json_shape'],
    ['a host that is not a string', '{"cpu_usage":1,"host":5}', 'json_shape'],
    ['a send time that is none', '{"cpu_usage":1,"send_time_unix_nano":"now"}', 'json_shape'],
    ['a send time beyond all', '{"cpu_usage":1,"send_time_unix_nano":17639000001234567890}', 'json_shape'],
    ['infinite values only', '{"cpu_usage":1e999,"mem_usage":-1e999}', 'no_fields'],
    ['a long host', `{"cpu_usage":1,"host":"${'h'.repeat(1025)}"}`, 'bad_name'],
    ['1 MB', `{"cpu_usage":1,"pad":"${'x'.repeat(1_000_000)}"}`, 'too_large'],
    ['deep nesting', `{"cpu_usage":1,"x":${'['.repeat(30_000)}`, 'json_syntax'],
  ]
  it.each(refused)('%s is refused', (_name, text, reason) => {
    expect(decodeText(text)).toMatchObject({ refusal: { reason }, seen: [] })
  })

  it('is read up to the bound', () => {
    const text = '{"cpu_usage":1,"pad":"'
    const largest = `${text.padEnd(MAX_JSON_BYTES - 2, 'x')}"}`
    expect(decodeText(largest).refusal).toBeUndefined()
    expect(decodeText(`${largest} `).refusal?.reason).toBe('too_large')
  })

  it('counts infinite values that were left out of samples that went on', () => {
    const decoder = jsonCodec.decoder(new SeriesTable())
    for (const text of ['{"cpu_usage":1e999,"mem_usage":2}', '{"cpu_usage":1e999}', '{"cpu_usage":1}']) {
      decode(decoder, Buffer.from(text))
    }
    expect(decoder.cleaned).toBe(1)
  })

  it('is refused where the fields are known as another kind', () => {
    const table = new SeriesTable()
    const series = table.intern('system_stats', [], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('cpu', 'string')
    expect(decode(jsonCodec.decoder(table), Buffer.from('{"cpu_usage":1}')).refusal?.reason).toBe('field_type')
  })
})

describe('the scanner', () => {
  const space = fc.constantFrom('', '', '', ' ', '\n', '\t \r\n')
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 20 })
  const numeral = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc
      .record({ sign: fc.constantFrom('', '-'), whole: digits, rest: fc.option(digits), exponent: fc.option(digits) })
      .map(
        ({ sign, whole, rest, exponent }) =>
          `${sign}${whole.replace(/^0+(?=\d)/, '')}${rest === null ? '' : `.${rest}`}${exponent === null ? '' : `e-${exponent.slice(0, 3)}`}`,
      ),
    fc.constantFrom(
      '0',
      '-0',
      '1e22',
      '1e23',
      '1E+22',
      '123e-22',
      '123e-23',
      '9007199254740993',
      '1e400',
      '0.1e-400',
      '-1.5E2',
    ),
  )
  const plainText = fc.string({ unit: fc.constantFrom('a', '-', '1', 'é', '🚀', ' ', '{', ':', ','), maxLength: 8 })
  const plainMember = fc.oneof(
    fc.tuple(fc.constantFrom('"cpu_usage"', '"mem_usage"', '"timestamp"', '"other"'), numeral),
    fc.tuple(fc.constantFrom('"seq"', '"cpu_usag"', '"cpu_usage_"', '"sek"', '"he"'), fc.nat().map(String)),
    fc.tuple(
      fc.constantFrom('"host"', '"source"', '"other"'),
      plainText.map((text) => `"${text}"`),
    ),
    fc.tuple(fc.constant('"send_time_unix_nano"'), fc.bigInt({ min: 0n, max: 9_000_000_000_000_000_000n }).map(String)),
    fc.tuple(fc.constantFrom('"cpu_usage"', '"seq"', '"other"'), fc.constantFrom('null')),
    fc.tuple(fc.constantFrom('"flag"'), fc.constantFrom('true', 'false')),
  )
  const oddMember = fc.tuple(
    fc.constantFrom(
      '"cpu_usage"',
      '"send_time_unix_nano"',
      '"host"',
      '"source"',
      '"seq"',
      '"c\\u0070u_usage"',
      '"x"',
      '"__proto__"',
    ),
    fc.oneof(
      fc.constantFrom(
        '"5"',
        '"\\n"',
        'true',
        'null',
        '{}',
        '[1,{"seq":2}]',
        '{"cpu_usage":4}',
        '01',
        '+1',
        '.5',
        '1.',
        '-',
        '"',
        'nul',
      ),
      fc.constantFrom('1e3', '1.5e18', '-5', '00', '99999999999999999999', '1763900000123456789.5'),
      fc.json({ maxDepth: 2 }),
    ),
  )
  const textOf = (member: fc.Arbitrary<[string, string]>): fc.Arbitrary<string> =>
    fc.array(fc.tuple(member, space, space), { minLength: 1, maxLength: 7 }).map((members) => {
      const inside = members.map(([[key, value], before, after]) => `${before}${key}${after}:${before}${value}${after}`)
      return `{${inside.join(',')}}`
    })

  const whatIsRead = (text: string, scanner: PlainScanner): object => {
    const bytes = Buffer.from(text)
    const { cpu, mem, sentAt, seq } = scanner
    const host = bytes.toString('utf8', scanner.hostStart, scanner.hostEnd)
    return { cpu, mem, sentAt, seq, host, runId: bytes.toString('utf8', scanner.runIdStart, scanner.runIdEnd) }
  }

  it('takes every plain message, as JSON.parse does', () => {
    const scanner = new PlainScanner()
    const check = (text: string): void => {
      expect(scanner.scan(Buffer.from(text))).toBe(true)
      expect(whatIsRead(text, scanner)).toEqual(parseUnusual(text))
    }
    fc.assert(fc.property(textOf(plainMember), check), { numRuns: 3000 })
  })

  it('agrees with JSON.parse on every message that it takes', () => {
    const scanner = new PlainScanner()
    const mutated = fc.tuple(
      textOf(fc.oneof(plainMember, oddMember)),
      fc.nat(),
      fc.constantFrom('', ...'"{}[]:,\\0.e- x\n'),
    )
    const check = ([text, at, character]: [string, number, string]): void => {
      const place = at % (text.length * 3)
      const odd = place < text.length ? text.slice(0, place) + character + text.slice(place + 1) : text
      if (scanner.scan(Buffer.from(odd)))
        expect(whatIsRead(odd.toWellFormed(), scanner)).toEqual(parseUnusual(odd.toWellFormed()))
    }
    fc.assert(fc.property(mutated, check), { numRuns: 4_000 })
  })
})
