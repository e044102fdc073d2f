import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startInflux, startVictoriaMetrics, type TestServer, until } from '../../../test/support/servers.ts'
import type { OpenStore } from '../store.contract.ts'
import type { HistoryQuery } from '../store.ts'
import { batchOfLines } from './lines.contract.ts'
import { openInflux } from './open-influx.contract.ts'
import { InfluxReader } from './reader.ts'
import { recordedBodiesContract } from './recorded-bodies.contract.ts'
import { type InfluxServer, InfluxTransport } from './transport.ts'
import { InfluxWriter } from './writer.ts'

const signal = new AbortController().signal
const NOW_US = Date.now() * 1000

function writerTo(url: string, bucket: string, server: Partial<InfluxServer> = {}): InfluxWriter {
  return new InfluxWriter({ transport: new InfluxTransport({ url, ...server }), org: '', bucket })
}

/** 5,000 lines of 100 hosts, the newest now. */
function fiveThousand(measurement: string, others: Readonly<Record<number, string>> = {}): string[] {
  const time = (n: number): string => `${NOW_US - 5000 + n}000`
  return Array.from({ length: 5000 }, (_, n) => `${measurement},host=h${n % 100} ${others[n] ?? `v=${n}`} ${time(n)}`)
}

async function ask(url: string, q: string, db = ''): Promise<unknown[][]> {
  const answer = await fetch(`${url}/query`, { method: 'POST', body: new URLSearchParams({ db, q }) })
  const { results } = (await answer.json()) as {
    results: Array<{ series?: Array<{ values: unknown[][] }>; error?: string }>
  }
  if (results[0]?.error !== undefined) throw new Error(results[0].error)
  return results[0]?.series?.[0]?.values ?? []
}

async function countOf(url: string, db: string, measurement: string): Promise<unknown> {
  return (await ask(url, `SELECT count(v) FROM "${measurement}"`, db))[0]?.[1]
}

describe('InfluxDB 1.6', () => {
  let influx: TestServer
  let writer: InfluxWriter
  beforeAll(async () => {
    influx = await startInflux()
  })
  afterAll(() => influx?.stop())
  beforeEach(() => {
    writer = writerTo(influx.url, 'failures')
  })
  afterEach(() => writer.close())

  recordedBodiesContract('influxdb-1.6.7', () => openInflux({ url: influx.url, org: '', bucket: 'recorded' }))

  it('creates a missing database of any name', async () => {
    const name = `new "one" ü'; DROP DATABASE x`
    const first = writerTo(influx.url, name)
    expect(await first.write(batchOfLines(['m v=1 1']), signal)).toEqual({ next: 'ack', rejected: [] })
    await first.close()
    expect(await ask(influx.url, 'SHOW DATABASES')).toContainEqual([name])
  })

  it('takes a bucket "database/policy": creates the database, writes and reads with the policy', async () => {
    const lines = ['m,host=a v=1 1795400000000000000']
    const query: HistoryQuery = {
      ...{ measurement: 'm', fields: ['v'], tags: {}, aggregate: 'last', everyUs: 1e6 },
      ...{ startUs: 1_795_400_000e6, endUs: 1_795_400_001e6 },
    }
    const openPolicy = (policy: string): Promise<OpenStore> =>
      openInflux({ url: influx.url, org: '', bucket: `policies/${policy}` })
    const standard = await openPolicy('autogen')
    await expect(openPolicy('short')).rejects.toThrow(/answers 500 retention policy not found.*: create it, or correct/)
    await ask(influx.url, 'CREATE RETENTION POLICY "short" ON "policies" DURATION 52w REPLICATION 1')
    const short = await openPolicy('short')
    expect(await short.writer.write(batchOfLines(lines), signal)).toEqual({ next: 'ack', rejected: [] })
    expect(await standard.reader.history(query, signal)).toEqual([])
    expect(await short.reader.history(query, signal)).toMatchObject([{ field: 'v', points: [[1_795_400_000e6, 1]] }])
    for (const [bucket, ms] of [
      ['policies', Infinity],
      ['policies/autogen', Infinity],
      ['policies/short', 52 * 7 * 86_400_000],
      ['policies/none', undefined],
    ] as const) {
      const reader = new InfluxReader({ transport: new InfluxTransport({ url: influx.url }), bucket })
      expect([bucket, await reader.retentionMs(signal)]).toEqual([bucket, ms])
      await reader.close()
    }
    await standard.close()
    await short.close()
  })

  it('says that the database is missing when it must not create it', async () => {
    const transport = new InfluxTransport({ url: influx.url })
    const timid = new InfluxWriter({ transport, org: '', bucket: 'missing', createDatabase: false })
    expect(await timid.check(signal)).toMatch(/answers 404 database not found: "missing": create/)
    await timid.close()
  })

  it('one unparsable line in 5,000: 4,999 are stored, one is rejected', async () => {
    const lines = fiveThousand('unparsable', { 2500: 'v=bad' })
    const result = await writer.write(batchOfLines(lines), signal)
    const refusal = { reason: 'store_refused', detail: 'invalid boolean' }
    expect(result).toEqual({ next: 'ack', rejected: [{ index: 2500, line: lines[2500], refusal }] })
    expect(await countOf(influx.url, 'failures', 'unparsable')).toBe(4999)
  })

  it('5,000 unparsable lines, all repeated in a header of the answer', async () => {
    const lines = fiveThousand('hopeless').map((line) => line.replace(' v=', ' v=bad'))
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(result.rejected.map(({ index }) => index)).toEqual(lines.map((_, index) => index))
  })

  const odd = String.raw`\x00 \x01 \x1b[31m \x7f`
  it(`a line that it refuses, with ${odd} in a string, which it repeats in a header: that line is rejected`, async () => {
    const text = '\0 \u0001 \u001b[31m \u007f'
    const lines = fiveThousand('control', { 7: `v=1u,s="${text}"`, 4000: `v=2u,s="${text}"`, 8: `v=1,s="${text}"` })
    const result = await writer.write(batchOfLines(lines), signal)
    const refusal = { reason: 'store_refused', detail: 'invalid number' }
    const rejected = [7, 4000].map((index) => ({ index, line: lines[index], refusal }))
    expect(result).toEqual({ next: 'ack', rejected })
    expect(await countOf(influx.url, 'failures', 'control')).toBe(4998)
  })

  it('refused lines that make a header too long to read', async () => {
    const lines = Array.from(
      { length: 120 },
      (_, n) => `long_header v=${n % 10 === 0 ? n : `${n}u`},s="${'x'.repeat(60_000)}" ${NOW_US + n}000`,
    )
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(result.rejected.map(({ index }) => index)).toEqual(lines.flatMap((_, n) => (n % 10 === 0 ? [] : [n])))
    expect(await countOf(influx.url, 'failures', 'long_header')).toBe(12)
  })

  it('type conflicts of two kinds beside unparsable lines: exactly these are rejected', async () => {
    const odd = { 10: 'v="text"', 20: 'v=true', 30: 'v=bad', 40: 'v="text",w=1', 4999: 'v=5i' }
    const lines = fiveThousand('conflict', odd)
    await writer.write(batchOfLines(['conflict v=0 1795400000000000000', ...lines.slice(100, 200)]), signal)
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(result.rejected.map(({ index, line }) => [index, line])).toEqual(
      Object.keys(odd).map((index) => [Number(index), lines[Number(index)]]),
    )
    // The line written before and 4,995 good ones.
    expect(await countOf(influx.url, 'failures', 'conflict')).toBe(4996)
  })

  it('conflicts in several shards, of which the answer names one', async () => {
    const week = (n: number): string => `${1_795_400_000 - n * 8 * 86_400}000000000`
    const good = Array.from({ length: 10 }, (_, n) => `shards,host=good v=1 ${week(n)}`)
    expect(await writer.write(batchOfLines(good), signal)).toEqual({ next: 'ack', rejected: [] })
    const lines = good.flatMap((line, n) => [
      line.replace('good', 'other'),
      `shards,host=bad v=${n % 2 === 0 ? 'true' : '"x"'} ${week(n)}`,
    ])
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(result.rejected.map(({ index }) => index)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
    expect(await countOf(influx.url, 'failures', 'shards')).toBe(20)
  })

  it('beyond the retention beside conflicts: exactly these are rejected', async () => {
    await ask(influx.url, 'CREATE DATABASE short WITH DURATION 1h')
    const short = writerTo(influx.url, 'short')
    const lines = fiveThousand('aged', { 4000: 'v="text"' })
    await short.write(batchOfLines(lines.slice(100, 200)), signal)
    for (const n of [0, 17, 3000]) lines[n] = `aged,host=old v=1 ${NOW_US - 2 * 3600e6 + n}000`
    const result = await short.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(result.rejected.map(({ index, line }) => [index, line])).toEqual(
      [0, 17, 3000, 4000].map((index) => [index, lines[index]]),
    )
    expect(result.rejected[0]?.refusal.detail).toContain('beyond retention policy')
    expect(await countOf(influx.url, 'short', 'aged')).toBe(4996)
    await short.close()
  })

  it('an answer of 25,000 buckets is complete, and one over the limit is refused', async () => {
    const lines = Array.from({ length: 25_000 }, (_, n) => `long,host=a v=${n} ${NOW_US - n * 1e6}000`)
    for (let from = 0; from < lines.length; from += 5000) {
      const result = await writer.write(batchOfLines(lines.slice(from, from + 5000)), signal)
      expect(result).toEqual({ next: 'ack', rejected: [] })
    }
    const query: HistoryQuery = {
      ...{ measurement: 'long', fields: ['v'], tags: {}, aggregate: 'last', everyUs: 1e6 },
      ...{ startUs: NOW_US - 25_000e6, endUs: NOW_US + 1 },
    }
    const transport = new InfluxTransport({ url: influx.url })
    const reader = new InfluxReader({ transport, bucket: 'failures' })
    const [found] = await reader.history(query, signal)
    expect(found?.points.map(([, value]) => value)).toEqual(lines.map((_, n) => 24_999 - n))
    const strict = new InfluxReader({ transport, bucket: 'failures', maxPoints: 24_999 })
    await expect(strict.history(query, signal)).rejects.toMatchObject({ kind: 'too_much' })
    await reader.close()
  })

  it('is away and comes back: the same batch is written', async () => {
    const batch = batchOfLines(fiveThousand('away'))
    expect(await writer.check(signal)).toBe('')
    await influx.halt('SIGKILL')
    expect(await writer.write(batch, signal)).toMatchObject({ next: 'retry' })
    await influx.start()
    expect(await writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
    expect(await countOf(influx.url, 'failures', 'away')).toBe(5000)
  })
})

describe('InfluxDB 1.6 with limits', () => {
  let influx: TestServer
  beforeAll(async () => {
    influx = await startInflux({
      env: {
        INFLUXDB_HTTP_MAX_BODY_SIZE: '50000',
        INFLUXDB_DATA_MAX_VALUES_PER_TAG: '70',
        INFLUXDB_HTTP_AUTH_ENABLED: 'true',
      },
    })
    const admin = "CREATE USER admin WITH PASSWORD 'p%ss' WITH ALL PRIVILEGES"
    await fetch(`${influx.url}/query`, { method: 'POST', body: new URLSearchParams({ q: admin }) })
  })
  afterAll(() => influx?.stop())

  it('says what to do about wrong credentials, and accepts the right ones', async () => {
    const answers: string[] = []
    for (const password of ['wrong', 'p%ss']) {
      const writer = writerTo(influx.url, 'limited', { username: 'admin', password })
      answers.push(await writer.check(signal))
      await writer.close()
    }
    expect(answers).toEqual([
      expect.stringMatching(
        /answers 401 authorization failed: check INFLUX_USERNAME and INFLUX_PASSWORD or INFLUX_PASSWORD_FILE$/,
      ),
      '',
    ])
  })

  it('says what to do about a database that is missing, where the user may not create it', async () => {
    const body = new URLSearchParams({ q: "CREATE USER writer WITH PASSWORD 'p'" })
    const headers = { authorization: `Basic ${Buffer.from('admin:p%ss').toString('base64')}` }
    await fetch(`${influx.url}/query`, { method: 'POST', headers, body })
    const writer = writerTo(influx.url, 'missing', { username: 'writer', password: 'p' })
    expect(await writer.check(signal)).toMatch(
      /answers 403 the database is missing and cannot be created: error .* requires admin privilege: have an administrator of InfluxDB create it, or correct INFLUX_BUCKET$/,
    )
    await writer.close()
  })

  it('a body over the limit is sent in parts, and later batches are smaller', async () => {
    const writer = writerTo(influx.url, 'limited', { username: 'admin', password: 'p%ss' })
    const lines = fiveThousand('pieces').map((line) => line.replace(/host=h\d+/, 'host=a'))
    expect(await writer.write(batchOfLines(lines), signal)).toEqual({ next: 'ack', rejected: [] })
    expect(writer.limits.maxBytes).toBeLessThan(50_000)
    await writer.close()
  })

  it('a line over the limit is rejected, and its neighbours are stored', async () => {
    const writer = writerTo(influx.url, 'limited', { username: 'admin', password: 'p%ss' })
    const huge = `pieces,host=a s="${'x'.repeat(60_000)}" 1`
    const result = await writer.write(batchOfLines(['pieces v=1 1', huge, 'pieces v=2 2']), signal)
    expect(result).toMatchObject({ next: 'ack', rejected: [{ index: 1, line: huge }] })
    await writer.close()
  })

  it('finds lines dropped for too many values of a tag', async () => {
    const writer = writerTo(influx.url, 'limited', { username: 'admin', password: 'p%ss' })
    const lines = Array.from({ length: 100 }, (_, n) => `tags,host=h${n} v=1 ${NOW_US}000`)
    const known = lines.filter((_, n) => n % 10 < 7)
    expect(await writer.write(batchOfLines(known), signal)).toEqual({ next: 'ack', rejected: [] })
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(result.rejected.map(({ line }) => line)).toEqual(lines.filter((line) => !known.includes(line)))
    expect(result.rejected[0]?.refusal.detail).toContain('max-values-per-tag limit exceeded')
    await writer.close()
  })
})

describe('VictoriaMetrics', () => {
  let victoria: TestServer
  beforeAll(async () => {
    victoria = await startVictoriaMetrics()
  })
  afterAll(() => victoria?.stop())

  it('takes writes at /api/v2/write, and has every sample', async () => {
    const writer = writerTo(victoria.url, 'telemetry')
    expect(await writer.check(signal)).toBe('')
    expect(await writer.write(batchOfLines(fiveThousand('counted')), signal)).toEqual({ next: 'ack', rejected: [] })
    await writer.close()
    await until('all samples can be read', async () => {
      await fetch(`${victoria.url}/internal/force_flush`)
      const answer = await fetch(`${victoria.url}/api/v1/export?match[]=counted_v`)
      const series = (await answer.text()).split('\n').filter((line) => line !== '')
      return series.reduce((sum, line) => sum + (JSON.parse(line) as { values: number[] }).values.length, 0) === 5000
    })
  })

  it('says that it answers no queries', async () => {
    const reader = new InfluxReader({ transport: new InfluxTransport({ url: victoria.url }), bucket: 'telemetry' })
    await expect(reader.probe(signal)).rejects.toMatchObject({
      kind: 'refused',
      message: /stores samples and answers no queries, as VictoriaMetrics does/,
    })
    await reader.close()
  })
})
