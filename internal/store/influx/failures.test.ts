import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type RecordedInflux, type ScriptStep, startRecordedInflux } from '../../../test/support/recorded-influx.ts'
import type { LineBatch } from './batch.ts'
import { batchOfLines } from './lines.contract.ts'
import { InfluxTransport } from './transport.ts'
import { InfluxWriter } from './writer.ts'

const signal = new AbortController().signal
let influx: RecordedInflux
let writer: InfluxWriter
let token: () => string | Promise<string>

beforeEach(async () => {
  influx = await startRecordedInflux()
  token = () => 'secret'
  const transport = new InfluxTransport({ url: influx.url, token: () => token() })
  writer = new InfluxWriter({ transport, org: 'sentinel', bucket: 'telemetry' })
})
afterEach(async () => {
  await writer.close()
  await influx.stop()
})

const good = (n: number): string => `m,host=a v=${n} ${1_795_400_000_000_000_000n + BigInt(n)}`
const panic = (n: number): string => good(n).replace(' v=', ' panic=')
const manyGood = (count: number, others: Readonly<Record<number, string>> = {}): string[] =>
  Array.from({ length: count }, (_, n) => others[n] ?? good(n))

/** Writes a batch until the ack. `words` has the result of each write. */
async function writeUntilTaken(batch: LineBatch, most = 10): Promise<{ words: string[]; rejected: string[] }> {
  const words: string[] = []
  while (words.length < most) {
    const result = await writer.write(batch, signal)
    words.push(result.next)
    if (result.next === 'ack') return { words, rejected: result.rejected.map(({ line }) => line) }
    expect(result.problem).not.toBe('')
  }
  throw new Error(`not taken: ${words.join()}`)
}

const inTenSeconds = (): string => new Date(Date.now() + 10_000).toUTCString()

describe('every line is stored or rejected, and the batch is written when the server recovers', () => {
  const undecided: Array<[name: string, answers: ScriptStep[], want: string[]]> = [
    ['401: no token', [{ status: 401 }], ['wait', 'ack']],
    ['403: a token without the right', [{ status: 403 }, { status: 403 }], ['wait', 'wait', 'ack']],
    ['404: no bucket', [{ status: 404 }], ['wait', 'ack']],
    ['429', [{ status: 429, headers: { 'retry-after': '1' } }], ['retry', 'ack']],
    ['500 twice', [{ status: 500 }, { status: 500 }], ['retry', 'retry', 'ack']],
    ['502', [{ status: 502 }], ['retry', 'ack']],
    ['503', [{ status: 503, headers: { 'retry-after': inTenSeconds() } }], ['retry', 'ack']],
    ['504', [{ status: 504 }], ['retry', 'ack']],
    ['a connection that breaks, and the next too', ['hang up', 'hang up'], ['retry', 'ack']],
    ['an answer that breaks off', ['break off'], ['retry', 'ack']],
    ['a web page instead of InfluxDB', [{ status: 200, body: '<html>' }], ['wait', 'ack']],
    ['a redirect', [{ status: 302, headers: { location: '/elsewhere' } }], ['wait', 'ack']],
    ['413: it is divided', [{ status: 413 }, { status: 413 }], ['ack']],
    ['unknown statuses', [{ status: 599 }, { status: 418 }], ['retry', 'wait', 'ack']],
  ]
  it.each(undecided)('%s', async (_name, answers, want) => {
    const lines = manyGood(5000)
    // So that there is a connection that is kept.
    await writer.write(batchOfLines(lines.slice(0, 1)), signal)
    influx.next(...answers)
    expect(await writeUntilTaken(batchOfLines(lines))).toEqual({ words: want, rejected: [] })
    expect(influx.stored).toEqual(new Set(lines))
  })

  const refused: Array<[name: string, line: string]> = [
    ['an unparsable line', good(1234).replace('v=1234', 'v=bad')],
    ['a field of another type', good(1234).replace('v=1234', 'v="text"')],
    ['a line beyond the retention', 'm,host=a v=1234 900000000000001234'],
  ]
  it.each(refused)('%s among 5,000: 4,999 are stored, one is rejected', async (_name, line) => {
    const lines = manyGood(5000, { 1234: line })
    expect(await writeUntilTaken(batchOfLines(lines))).toEqual({ words: ['ack'], rejected: [line] })
    expect(influx.stored).toEqual(new Set(lines.filter((each) => each !== line)))
  })
})

it('no answer: the write ends, and a later one succeeds', async () => {
  const transport = new InfluxTransport({ url: influx.url, answerTimeoutMs: 500 })
  writer.reconfigure({ transport, org: 'sentinel', bucket: 'telemetry' })
  influx.next('silence')
  const { words } = await writeUntilTaken(batchOfLines([good(1)]))
  expect([words[0], words.at(-1)]).toEqual(['retry', 'ack'])
})

describe('Retry-After', () => {
  const cases: Array<[string, string, Record<string, string>, number]> = [
    ['seconds', '7', {}, 7000],
    [
      'a date by the clock of the server',
      'Mon, 23 Nov 2026 10:00:30 GMT',
      { date: 'Mon, 23 Nov 2026 10:00:00 GMT' },
      30_000,
    ],
    ['more than ten minutes', '86400', {}, 600_000],
    ['a date long ago', 'Mon, 23 Nov 2020 10:00:30 GMT', {}, 0],
  ]
  it.each(cases)('%s', async (_name, value, headers, afterMs) => {
    for (const status of [429, 503]) {
      influx.next({ status, headers: { ...headers, 'retry-after': value } })
      expect(await writer.write(batchOfLines([good(1)]), signal)).toMatchObject({ next: 'retry', afterMs })
    }
  })
})

it.each([401, 403, 404])('a replaced token file is read again after a %i, without a reload', async (status) => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-token-'))
  const file = join(folder, 'token')
  await writeFile(file, 'old')
  token = () => readFile(file, 'utf8')
  influx.next({ status }, { status })
  const batch = batchOfLines([good(1)])
  expect(await writer.write(batch, signal)).toMatchObject({ next: 'wait' })
  await writeFile(file, 'new')
  expect(await writer.write(batch, signal)).toMatchObject({ next: 'ack' })
  const tokens = influx.requests.filter(({ path }) => path !== '/ping').map(({ headers }) => headers.authorization)
  expect(tokens).toEqual(['Token old', 'Token old', 'Token new'])
  await rm(folder, { recursive: true })
})

describe('a line on which the server fails each time', () => {
  it('is found after three failures, and does not block other lines', async () => {
    const lines = manyGood(5000, { 17: panic(17), 4711: panic(4711) })
    expect(await writeUntilTaken(batchOfLines(lines))).toEqual({
      words: ['retry', 'retry', 'ack'],
      rejected: [panic(17), panic(4711)],
    })
    expect(influx.stored.size).toBe(4998)
  })

  it('beside one that the server names: both are rejected', async () => {
    const named = good(3).replace('v=3', 'v=bad')
    const batch = batchOfLines([good(1), panic(2), named, good(4)])
    const body = JSON.stringify({ code: 'invalid', message: `unable to parse '${named}': invalid boolean` })
    for (let i = 0; i < 2; i++) {
      influx.next({ status: 400, body })
      expect(await writer.write(batch, signal)).toMatchObject({ next: 'retry' })
    }
    influx.next({ status: 400, body })
    expect(await writeUntilTaken(batch, 1)).toEqual({ words: ['ack'], rejected: [panic(2), named] })
  })

  it('alone in its batch, is rejected after the server has accepted another batch', async () => {
    const batch = batchOfLines([panic(1)])
    const words: string[] = []
    for (let i = 0; i < 4; i++) words.push((await writer.write(batch, signal)).next)
    expect(words).toEqual(['retry', 'retry', 'postpone', 'postpone'])
    expect(await writer.write(batchOfLines([good(2)]), signal)).toMatchObject({ next: 'ack', rejected: [] })
    expect(await writeUntilTaken(batch, 1)).toEqual({ words: ['ack'], rejected: [panic(1)] })
  })

  it('is not assumed when the server fails on everything: nothing is rejected, and not all parts are tried', async () => {
    const lines = manyGood(5000)
    const batch = batchOfLines(lines)
    const broken = { status: 500 }
    // Each attempt sends the batch, and from the third on an empty body, which is accepted.
    influx.next(broken, broken, broken, { status: 204 }, ...Array(40).fill(broken))
    const words: string[] = []
    for (let i = 0; i < 3; i++) words.push((await writer.write(batch, signal)).next)
    expect(words).toEqual(['retry', 'retry', 'postpone'])
    expect(influx.requests.length).toBeLessThan(45)
  })

  it('is not searched for when the server refuses an empty body too', async () => {
    const batch = batchOfLines(manyGood(100))
    influx.next(...Array(8).fill({ status: 500 }))
    for (let i = 0; i < 4; i++) expect(await writer.write(batch, signal)).toMatchObject({ next: 'retry' })
    expect(await writeUntilTaken(batch)).toEqual({ words: ['retry', 'ack'], rejected: [] })
  })

  it('is not a line on which the server failed once more by chance', async () => {
    const lines = manyGood(2)
    const batch = batchOfLines(lines)
    const broken = { status: 500 }
    // Twice the batch, then the batch, the empty body, one accepted half, and the other half once.
    influx.next(broken, broken, broken, { status: 204 }, { status: 204 }, broken)
    expect(await writeUntilTaken(batch)).toEqual({ words: ['retry', 'retry', 'ack'], rejected: [] })
    expect(influx.stored).toContain(lines[0])
  })
})

describe('the size of batches after a 413', () => {
  afterEach(() => void vi.useRealTimers())

  it('grows back by an eighth a minute, up to the configured size', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    influx.next({ status: 413 })
    await writer.write(batchOfLines(manyGood(5000)), signal)
    const shrunk = writer.limits.maxBytes
    expect(shrunk).toBeLessThan(200_000)
    await writer.write(batchOfLines([good(1)]), signal)
    expect(writer.limits.maxBytes).toBe(shrunk)
    const sizes: number[] = []
    for (let minute = 0; minute < 30; minute++) {
      vi.advanceTimersByTime(60_001)
      await writer.write(batchOfLines([good(1)]), signal)
      sizes.push(writer.limits.maxBytes)
    }
    expect(sizes[0]).toBe(shrunk + Math.ceil(shrunk / 8))
    expect(sizes.at(-1)).toBe(1024 * 1024)
  })
})
