import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StoredLetter } from '../../../internal/dead-letters/reader.ts'
import { asJson, details, hexDump, rowOf, shown, table } from './text.ts'

const NOW_MS = Date.UTC(2026, 0, 2, 12)

function letter(changes: Partial<StoredLetter> = {}): StoredLetter {
  const payload = changes.payload ?? Buffer.from('{"cpu_usage":')
  return {
    id: 7,
    at: NOW_MS - 61_000,
    kind: 'message',
    reason: 'json_syntax',
    detail: 'it ends too soon',
    source: 'web-01/agent/5f3a',
    payloadBytes: payload.length,
    name: `${changes.id ?? 7}`,
    segmentPath: '',
    ...changes,
    payload,
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: characters that must not reach a terminal
const DANGEROUS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

describe('shown', () => {
  const cases: Array<[string, string]> = [
    ['plain é 🚀', 'plain é 🚀'],
    ['a\nb\tc\r', 'a\\nb\\tc\\r'],
    ['\u001b[31m\u0007\u007f\u009b', '\\u{1b}[31m\\u{7}\\u{7f}\\u{9b}'],
    ['left\u202eright\u2066\u200b\ufeff', 'left\\u{202e}right\\u{2066}\\u{200b}\\u{feff}'],
    ['\u2028\ud800', '\\u{2028}\\u{d800}'],
  ]
  it.each(cases)('%j is %s', (text, want) => expect(shown(text)).toBe(want))
})

describe('the text of a dead letter', () => {
  it('is a row of a table that fits the terminal', () => {
    const rows = [
      letter(),
      letter({ id: 12, at: NOW_MS - 3 * 86_400_000, source: '', payload: Buffer.alloc(2000, 'x') }),
    ]
    const text = table(
      rows.map((one) => rowOf(one, NOW_MS)),
      110,
    )
    expect(text).toBe(
      [
        'ID  TIME                  AGE    REASON       SOURCE                 SIZE  PAYLOAD',
        '7   2026-01-02T11:58:59Z  1 min  json_syntax  web-01/agent/5f3a      13 B  {"cpu_usage":',
        `12  2025-12-30T12:00:00Z  3 d    json_syntax  -                  1.95 KiB  ${'x'.repeat(34)}…`,
        '',
      ].join('\n'),
    )
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBe(110)
  })

  it('has everything that is known about it', () => {
    expect(details(letter({ payloadBytes: 99 }), NOW_MS)).toBe(
      [
        'id       7',
        'time     2026-01-02T11:58:59.000Z (1 min ago)',
        'kind     message',
        'reason   json_syntax',
        'detail   it ends too soon',
        'source   web-01/agent/5f3a',
        'payload  99 bytes, of which the first 13 were kept',
        '',
        '{"cpu_usage":',
        '',
      ].join('\n'),
    )
  })

  it('is a dump when the payload is not text', () => {
    const bytes = Buffer.from([...Buffer.from('0123456789abcdef'), 0, 255, 65])
    expect(hexDump(bytes)).toBe(
      [
        '00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  |0123456789abcdef|',
        '00000010  00 ff 41                                         |..A|',
        '',
      ].join('\n'),
    )
    expect(details(letter({ payload: bytes }), NOW_MS)).toContain(hexDump(bytes))
  })

  it('is JSON from which every byte comes back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array()), (content) => {
        const payload = Buffer.from(content)
        const { payload: text, payloadBase64 } = JSON.parse(asJson(letter({ payload })))
        const back = text === undefined ? Buffer.from(payloadBase64, 'base64') : Buffer.from(text)
        expect(back.equals(payload)).toBe(true)
      }),
    )
  })

  it('never writes a control character of the payload to the terminal', () => {
    const dangerous = [
      '\u001b',
      '\u009b',
      '\u0007',
      '\r',
      '\u202e',
      '\u200b',
      '\u2028',
      '\ufeff',
      '\u{e0001}',
      '\ud800',
    ]
    const texts = fc.string({ unit: fc.constantFrom(...dangerous, 'a', '[2J', 'é', '🚀', '\n', '"') })
    fc.assert(
      fc.property(texts, texts, texts, fc.oneof(texts, fc.uint8Array()), (reason, detail, source, content) => {
        const one = letter({ reason, detail, source, payload: Buffer.from(content) })
        const row = rowOf(one, NOW_MS)
        for (const text of [asJson(one), details(one, NOW_MS), table([row], 80), ...Object.values(row)]) {
          expect(text).not.toMatch(DANGEROUS)
        }
        expect(table([row], 80).split('\n').length).toBe(3)
      }),
    )
  })

  it('accepts a time that is not valid', () => {
    expect(JSON.parse(asJson(letter({ at: 1e300 }))).time).toBe('unknown')
    expect(rowOf(letter({ at: 1e300 }), NOW_MS).time).toBe('unknown')
  })
})
