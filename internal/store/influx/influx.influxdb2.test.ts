import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Influx2, openInflux2 } from '../../../test/support/influxdb2.ts'
import { storeContract } from '../store.contract.ts'
import { applyDashboards, readTemplate } from './dashboards.ts'
import { batchOfLines } from './lines.contract.ts'
import { openInflux } from './open-influx.contract.ts'
import { recordedBodiesContract } from './recorded-bodies.contract.ts'
import { InfluxTransport } from './transport.ts'
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
    const writer = writerTo({ token: await influx.readToken(bucket) })
    const result = await writer.write(batchOfLines(['m v=1 1']), signal)
    expect(result).toMatchObject({
      next: 'wait',
      problem: expect.stringMatching(/answers 403 .*make a new token that may write/),
    })
    await writer.close()
  })
})

describe('dashboards, live on InfluxDB 2', () => {
  const templateText = readFileSync(new URL('../../../deploy/influxdb/template.yml', import.meta.url), 'utf8')

  it('are created once and updated afterwards', async () => {
    const request = { ...influx, bucket: await influx.newBucket(), templateText, signal }
    const first = await applyDashboards(request)
    const second = await applyDashboards(request)
    expect(second).toEqual({ ...first, action: 'updated' })
    expect(first.dashboards.map(({ name }) => name).sort()).toEqual(['SentinelStream host', 'SentinelStream hosts'])
    // Dashboards from before this test stay.
    if (first.action === 'created') await influx.api('POST', `/api/v2/stacks/${first.stackId}/uninstall`)
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

    const queries = readTemplate(templateText, bucket).flatMap((resource) => {
      const { spec } = resource as { spec: { charts?: Array<{ name: string; queries: Array<{ query: string }> }> } }
      return (spec.charts ?? []).map(({ name, queries: [first] }) => [name, first?.query ?? ''] as const)
    })
    expect(queries.length).toBeGreaterThan(8)
    const options = 'option v = {timeRangeStart: -1h, timeRangeStop: now(), windowPeriod: 10s, host: "web"}\n'
    // Imports come first, then options.
    const withOptions = (query: string): string => query.replace(/^((?:import .*\n+)*)/, `$1${options}`)
    for (const [name, query] of queries) {
      const path = `/api/v2/query?${new URLSearchParams({ org: influx.org })}`
      const table = await influx.api('POST', path, { query: withOptions(query), type: 'flux' })
      expect(table, name).not.toMatch(/^,error,reference/m)
      expect(table.trim().split('\n').length, `rows of ${name}`).toBeGreaterThan(1)
    }
  })
})
