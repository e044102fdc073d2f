import { describe, expect, test } from 'vitest'
import { MessageDecoder } from '../../internal/codec/detect.ts'
import { encodeLineText } from '../../internal/format/line/encode.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { pointOf, readMessage, sentAtOf } from './message.ts'

const US = 1_763_900_000_123_456
const RECEIVED_AT = US + 500
const TIE = 7

function json(fields: string): Buffer {
  return Buffer.from(`{"timestamp":1763900000,${fields},"send_time_unix_nano":${US}000}`)
}

function packed(cpu: number, mem: number, sentAtNs: bigint): Buffer {
  const bytes = Buffer.alloc(32)
  bytes.writeBigInt64LE(1_763_900_000n, 0)
  bytes.writeDoubleLE(cpu, 8)
  bytes.writeDoubleLE(mem, 16)
  bytes.writeBigInt64LE(sentAtNs, 24)
  return bytes
}

/** The line that the plain pipeline makes of a message. */
function plainLine(payload: Buffer): string | undefined {
  const message = readMessage(payload)
  const sentAt = sentAtOf(message)
  return pointOf(message, sentAt > 0 ? sentAt : RECEIVED_AT, TIE).toLineProtocol()
}

/** The line that our pipeline makes of it. */
function ourLine(payload: Buffer): string {
  let line = ''
  const refusal = new MessageDecoder(new SeriesTable()).decode(
    payload,
    { receivedAt: RECEIVED_AT, tie: TIE },
    (sample) => {
      line = encodeLineText(sample)
    },
  )
  expect(refusal).toBeUndefined()
  return line
}

describe('the plain pipeline and ours make the same line of', () => {
  test.each([
    ['a plain message', json('"cpu_usage":12.5,"mem_usage":63.1')],
    ['a message with a host', json('"cpu_usage":1,"mem_usage":2,"host":"web-1"')],
    ['a host that needs escapes', json('"cpu_usage":1,"mem_usage":2,"host":"web 1, rack=2"')],
    ['a host beyond ASCII', json('"cpu_usage":1,"mem_usage":2,"host":"Zürich \\u00e9"')],
    ['an empty host', json('"cpu_usage":1,"mem_usage":2,"host":""')],
    ['a source and a seq', json('"cpu_usage":1,"mem_usage":2,"host":"a","source":"a/1","seq":4')],
    ['cpu alone', json('"cpu_usage":99.99')],
    ['mem alone', json('"cpu_usage":null,"mem_usage":0.01')],
    ['doubles of full precision', json('"cpu_usage":12.345678901234567,"mem_usage":1e-7')],
    ['numbers with exponents', json('"cpu_usage":1e21,"mem_usage":5e-324')],
    ['no send time', Buffer.from('{"cpu_usage":1,"mem_usage":2}')],
    ['a send time before 1970', Buffer.from('{"cpu_usage":1,"mem_usage":2,"send_time_unix_nano":-5000}')],
    ['a send time in quotes', Buffer.from(`{"cpu_usage":1,"mem_usage":2,"send_time_unix_nano":"${US}000"}`)],
    ['Packed', packed(12.5, 63.1, BigInt(US) * 1000n)],
    ['Packed without a send time', packed(12.5, 63.1, 0n)],
    ['Packed with a NaN', packed(Number.NaN, 63.1, BigInt(US) * 1000n)],
    ['Packed with an infinity', packed(12.5, -Infinity, BigInt(US) * 1000n)],
  ])('%s', (_name, payload) => {
    expect(plainLine(payload)).toBe(ourLine(payload))
  })

  test('every microsecond of a period', () => {
    for (let us = US; us < US + 2_000; us++) {
      const payload = Buffer.from(`{"cpu_usage":1,"mem_usage":2,"send_time_unix_nano":${us}000}`)
      expect(plainLine(payload)).toBe(`system_stats cpu=1,mem=2 ${us}007`)
    }
  })
})

describe('the plain pipeline differs, as documented, in', () => {
  test.each([
    ['a minus before a zero', json('"cpu_usage":-0,"mem_usage":2'), `cpu=0,mem=2 ${US}007`, `cpu=-0,mem=2 ${US}007`],
    [
      'a send time with nanoseconds, by 1 µs',
      packed(1, 2, BigInt(US) * 1000n + 999n),
      `cpu=1,mem=2 ${US + 1}007`,
      `cpu=1,mem=2 ${US}007`,
    ],
  ])('%s', (_name, payload, plain, ours) => {
    expect(plainLine(payload)).toBe(`system_stats ${plain}`)
    expect(ourLine(payload)).toBe(`system_stats ${ours}`)
  })
})

test.each([
  ['no message', Buffer.from('hello')],
  ['broken JSON', Buffer.from('{"cpu_usage":1')],
  ['no value', json('"load":3')],
  ['values that are no numbers', json('"cpu_usage":"high","mem_usage":true')],
  ['Packed with two NaN', packed(Number.NaN, Number.NaN, 1n)],
])('the plain way refuses %s', (_name, payload) => {
  expect(() => plainLine(payload)).toThrow()
})
