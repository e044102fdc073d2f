import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Influx2, openInflux2 } from '../../../test/support/influxdb2.ts'
import { storeContract } from '../store.contract.ts'
import type { HistoryQuery } from '../store.ts'
import { applyDashboards, readTemplate } from './dashboards.ts'
import { batchOfLines } from './lines.contract.ts'
import { openInflux } from './open-influx.contract.ts'
import { InfluxReader } from './reader.ts'
import { recordedBodiesContract } from './recorded-bodies.contract.ts'
import { type InfluxServer, InfluxTransport } from './transport.ts'
import { InfluxWriter, type InfluxWriterOptions } from './writer.ts'

const signal = new AbortController().signal
const NOW_US = Date.now() * 1000

let influx: Influx2
beforeAll(async () => {
  influx = await openInflux2()
})
afterAll(() => influx?.stop())

async function openFresh(): ReturnType<typeof openInflux> {
  const { url, token, org } = influx
  return openInflux({ url, token, org, bucket: await influx.newBucket() })
}

storeContract('InfluxDB 2', openFresh, { uint: true })
recordedBodiesContract('influxdb-2.7.12', openFresh)

describe('failures, live on InfluxDB 2', () => {
  let bucket: string
  beforeAll(async () => {
    bucket = await influx.newBucket()
  })

  const writerTo = (options: Partial<InfluxWriterOptions> & { token?: string } = {}): InfluxWriter => {
    const { token = influx.token, ...rest } = options
    const transport = new InfluxTransport({ url: influx.url, token: () => token })
    return new InfluxWriter({ transport, org: influx.org, bucket, ...rest })
  }
  /** 5,000 lines of 100 hosts, the newest now. */
  const fiveThousand = (measurement: string, others: Readonly<Record<number, string>> = {}): string[] =>
    Array.from({ length: 5000 }, (_, n) => {
      return `${measurement},host=h${n % 100} ${others[n] ?? `v=${n}`} ${NOW_US - 5000 + n}000`
    })
  const countOf = async (measurement: string, inBucket = bucket): Promise<unknown> => {
    const query = new URLSearchParams({ db: inBucket, q: `SELECT count(v) FROM "${measurement}"` })
    const answer: { results: Array<{ series?: Array<{ values: unknown[][] }> }> } = JSON.parse(
      await influx.api('GET', `/query?${query}`),
    )
    return answer.results[0]?.series?.[0]?.values[0]?.[1]
  }
  /** Writes lines, and gives the indexes of the rejected ones. */
  const rejectedOf = async (writer: InfluxWriter, lines: readonly string[]): Promise<number[]> => {
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    for (const { index, line } of result.rejected) expect(line).toBe(lines[index])
    return result.rejected.map(({ index }) => index)
  }

  it.each([false, true])('one unparsable line in 5,000: 4,999 are stored, one is rejected (gzip %s)', async (gzip) => {
    const writer = writerTo({ gzip })
    const measurement = `unparsable_${gzip}`
    expect(await rejectedOf(writer, fiveThousand(measurement, { 2500: 'v=bad' }))).toEqual([2500])
    expect(await countOf(measurement)).toBe(4999)
    await writer.close()
  })

  it('5,000 unparsable lines, all repeated in the answer', async () => {
    const writer = writerTo()
    const lines = fiveThousand('hopeless').map((line) => line.replace(' v=', ' v=bad'))
    expect(await rejectedOf(writer, lines)).toHaveLength(5000)
    await writer.close()
  })

  it('type conflicts of two kinds beside unparsable lines: exactly these are rejected', async () => {
    const writer = writerTo()
    const odd = { 10: 'v="text"', 20: 'v=true', 30: 'v=bad', 40: 'v="text",w=1', 4999: 'v=5i' }
    const lines = fiveThousand('conflict', odd)
    expect(await rejectedOf(writer, lines.slice(100, 200))).toEqual([])
    expect(await rejectedOf(writer, lines)).toEqual([10, 20, 30, 40, 4999])
    expect(await countOf('conflict')).toBe(4995)
    await writer.close()
  })

  it('beyond the retention beside conflicts: exactly these are rejected', async () => {
    const short = await influx.newBucket(3600)
    const writer = writerTo({ bucket: short })
    const lines = fiveThousand('aged', { 4000: 'v="text"' })
    expect(await rejectedOf(writer, lines.slice(100, 200))).toEqual([])
    for (const n of [0, 17, 3000]) lines[n] = `aged,host=old v=1 ${NOW_US - 12 * 3600e6 + n}000`
    expect(await rejectedOf(writer, lines)).toEqual([0, 17, 3000, 4000])
    expect(await countOf('aged', short)).toBe(4996)
    await writer.close()
  })

  it.each([
    ['a wrong token', { token: 'wrong' }, /answers 401 .*check INFLUX_TOKEN/],
    ['no such bucket', { bucket: 'nope' }, /answers 404 bucket "nope" not found: create bucket/],
    ['no such organisation', { org: 'nope' }, /answers 404 organization name "nope" not found/],
  ])('%s: nothing is decided', async (_name, options, words) => {
    const writer = writerTo(options)
    expect(await writer.check(signal)).toMatch(words)
    const result = await writer.write(batchOfLines(['m v=1 1']), signal)
    expect(result).toMatchObject({ next: 'wait', problem: expect.stringMatching(words) })
    await writer.close()
  })

  it('a token that may only read: nothing is decided', async () => {
    const writer = writerTo({ token: await influx.bucketToken('read', bucket) })
    const result = await writer.write(batchOfLines(['m v=1 1']), signal)
    expect(result).toMatchObject({
      next: 'wait',
      problem: expect.stringMatching(/answers 403 .*make a new token that may write/),
    })
    await writer.close()
  })
})

describe('buckets and tokens, live on InfluxDB 2', () => {
  const lines = [`m,host=a v=1 ${NOW_US}000`]
  const query: HistoryQuery = {
    ...{ measurement: 'm', fields: ['v'], tags: {}, aggregate: 'last', everyUs: 1e6 },
    ...{ startUs: NOW_US - 2e6, endUs: NOW_US + 2e6 },
  }
  const readerTo = (bucket: string, token = influx.token): InfluxReader =>
    new InfluxReader({ transport: new InfluxTransport({ url: influx.url, token: () => token }), bucket })

  it.each([
    ['a name with a retention policy', '/policy', (name: string) => name],
    ['an id', '', (name: string) => influx.bucketId(name)],
  ])('a bucket given by %s is written and read', async (_name, suffix, given) => {
    const bucket = given(await influx.newBucket(0, suffix))
    const store = await openInflux({ ...influx, org: influx.orgId, bucket })
    expect(await store.writer.write(batchOfLines(lines), signal)).toEqual({ next: 'ack', rejected: [] })
    expect(await store.reader.history(query, signal)).toMatchObject([{ field: 'v', tags: { host: 'a' } }])
    expect(await store.reader.hosts(NOW_US - 60e6, signal)).toMatchObject([{ host: 'a' }])
    await store.close()
  })

  it('a token for writing is enough for a writer, one for reading for a reader', async () => {
    const bucket = await influx.newBucket()
    const [write, read] = [await influx.bucketToken('write', bucket), await influx.bucketToken('read', bucket)]
    const transport = new InfluxTransport({ url: influx.url, token: () => write })
    const writer = new InfluxWriter({ transport, org: influx.org, bucket })
    expect(await writer.check(signal)).toBe('')
    expect(await writer.write(batchOfLines(lines), signal)).toEqual({ next: 'ack', rejected: [] })
    await writer.close()
    for (const given of [bucket, influx.bucketId(bucket)]) {
      const reader = readerTo(given, read)
      expect(await reader.history(query, signal)).toHaveLength(1)
      await reader.close()
      const blind = readerTo(given, write)
      await expect(blind.history(query, signal)).rejects.toThrow(/database not found.*make a new token that may read/)
      await blind.close()
    }
  })
})

describe('dashboards, live on InfluxDB 2', () => {
  const templateText = readFileSync(new URL('../../../deploy/influxdb/template.yml', import.meta.url), 'utf8')
  const serverOf = (): InfluxServer => ({ url: influx.url, token: () => influx.token })
  const queriesOf = (bucket: string): Array<readonly [name: string, query: string]> =>
    readTemplate(templateText, bucket).flatMap((resource) => {
      const { spec } = resource as { spec: { charts?: Array<{ name: string; queries: Array<{ query: string }> }> } }
      return (spec.charts ?? []).map(({ name, queries: [first] }) => [name, first?.query ?? ''] as const)
    })
  /** The answer to a cell's query as CSV. Imports come first, then options. */
  const runCell = (query: string, range: string): Promise<string> => {
    const options = `option v = {${range}, windowPeriod: 10s, sentinel_host: "web"}\n`
    const text = query.replace(/^((?:import .*\n+)*)/, `$1${options}`)
    const path = `/api/v2/query?${new URLSearchParams({ org: influx.org })}`
    return influx.api('POST', path, { query: text, type: 'flux' })
  }

  it('are created once and updated afterwards', async () => {
    const query = `?${new URLSearchParams({ orgID: influx.orgId })}`
    const theirs = { orgID: influx.orgId, name: 'host', arguments: { type: 'constant', values: ['a'] } }
    const { variables: before }: { variables: Array<{ name: string }> } = JSON.parse(
      await influx.api('GET', `/api/v2/variables${query}`),
    )
    const isFree = !before.some(({ name }) => name === 'host')
    const made: { id: string } = isFree ? JSON.parse(await influx.api('POST', '/api/v2/variables', theirs)) : { id: '' }

    const request = { server: serverOf(), org: influx.org, bucket: await influx.newBucket(), templateText, signal }
    const first = await applyDashboards(request)
    const second = await applyDashboards({ ...request, org: influx.orgId, bucket: influx.bucketId(request.bucket) })
    expect(second).toEqual({ ...first, action: 'updated' })
    expect(first.dashboards.map(({ name }) => name).sort()).toEqual(['SentinelStream host', 'SentinelStream hosts'])
    for (const { name, url } of first.dashboards) {
      const dashboard = await influx.api('GET', `/api/v2/dashboards/${url.split('/').at(-1)}`)
      expect(JSON.parse(dashboard)).toMatchObject({ name })
    }
    // Dashboards from before this test stay.
    if (first.action === 'created') {
      await influx.api('POST', `/api/v2/stacks/${first.stackId}/uninstall${query}`)
      await influx.api('DELETE', `/api/v2/stacks/${first.stackId}${query}`)
    }
    if (isFree) {
      expect(JSON.parse(await influx.api('GET', `/api/v2/variables/${made.id}`))).toMatchObject(theirs)
      await influx.api('DELETE', `/api/v2/variables/${made.id}`)
    }
  })

  it('are refused to a token for a bucket alone, with words', async () => {
    const bucket = await influx.newBucket()
    const token = await influx.bucketToken('read', bucket)
    const request = { server: { url: influx.url, token: () => token }, org: influx.org, bucket, templateText, signal }
    await expect(applyDashboards(request)).rejects.toThrow(/INFLUX_TOKEN must be an all-access token/)
  })

  it('are refused over a bucket that is not there, with words', async () => {
    for (const bucket of ['nope', '0123456789abcdef']) {
      const request = { server: serverOf(), org: influx.org, bucket, templateText, signal }
      await expect(applyDashboards(request)).rejects.toThrow(`shows no bucket "${bucket}" to this token`)
    }
  })

  it('show the rate of a counter right at both edges of a range that cuts windows', async () => {
    const bucket = await influx.newBucket()
    const store = await openInflux({ ...influx, bucket })
    const minute = Math.floor(NOW_US / 60e6) * 60 - 600
    const lines = Array.from({ length: 120 }, (_, second) => {
      return `net,host=web,interface=eth0 bytes_recv=${1000 * second}i,bytes_sent=0i ${minute + second}300000000`
    })
    expect(await store.writer.write(batchOfLines(lines), signal)).toEqual({ next: 'ack', rejected: [] })
    await store.close()
    const time = (second: number): string => new Date((minute + second) * 1000).toISOString()
    const range = `timeRangeStart: ${time(58.5)}, timeRangeStop: ${time(91.5)}`
    const cells = queriesOf(bucket).filter(([name]) => name.startsWith('Network'))
    expect(cells).toHaveLength(2)
    for (const [name, query] of cells) {
      const table = await runCell(query, range)
      const values = table.split('\n').filter((row) => row.includes('bytes_recv'))
      const column = table
        .split('\n')
        .find((row) => row.includes('_value'))!
        .trim()
        .split(',')
        .indexOf('_value')
      expect(
        values.map((row) => Number(row.split(',')[column])),
        name,
      ).toEqual([1000, 1000, 1000, 1000, 1000])
    }
  })

  it('find rows in samples as Telegraf writes them', async () => {
    const bucket = await influx.newBucket()
    const store = await openInflux({ ...influx, bucket })
    const lines: string[] = []
    for (let second = 60; second > 0; second -= 10) {
      const time = `${NOW_US - second * 1e6}000`
      lines.push(
        `cpu,cpu=cpu-total,host=web usage_user=7,usage_system=2,usage_iowait=1,usage_steal=0,usage_idle=90 ${time}`,
        `mem,host=web used_percent=40 ${time}`,
        `swap,host=web used_percent=0 ${time}`,
        `system,host=web load1=0.5,load5=0.4,load15=0.3 ${time}`,
        `disk,device=sda1,fstype=ext4,host=web,path=/ used_percent=61 ${time}`,
        `net,host=web,interface=eth0 bytes_recv=${1000 * (60 - second)}i,bytes_sent=${500 * (60 - second)}i ${time}`,
      )
    }
    expect(await store.writer.write(batchOfLines(lines), signal)).toEqual({ next: 'ack', rejected: [] })
    await store.close()

    const queries = queriesOf(bucket)
    expect(queries.length).toBeGreaterThan(8)
    for (const [name, query] of queries) {
      const table = await runCell(query, 'timeRangeStart: -1h, timeRangeStop: now()')
      expect(table, name).not.toMatch(/^,error,reference/m)
      expect(table.trim().split('\n').length, `rows of ${name}`).toBeGreaterThan(1)
    }
  })
})
