import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { InfluxDB, Point } from '@influxdata/influxdb-client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { influxQuery } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { serveMetrics } from '../support/scraped-server.ts'
import { findProgram, freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/*
 * Programs of others write through the API as they are. Apart from the other tests, because it needs
 *   apt-get install -y --no-install-recommends prometheus victoria-metrics curl
 */

const DATABASE = 'telemetry'
const SCRAPES = 20

let redis: TestServer
let influx: TestServer
let folder: string
let url: string
let programs: Program[]

beforeAll(async () => {
  ;[redis, influx, folder] = await Promise.all([startRedis(), startInflux(), mkdtemp(join(tmpdir(), 'senders-'))])
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: 'streams' }
  programs = [
    startProgram('server', { env, args: ['--admin-port=0'] }),
    startProgram('api', { env, args: ['--admin-port=0', `--api-port=${port}`] }),
  ]
  await Promise.all([programs[0]!.logged('server consumes'), programs[1]!.logged('api listens')])
})
afterAll(async () => {
  for (const program of programs) await program.stop()
  await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true, force: true })])
})

/** A target that tells how often it was asked, and tells it in two series. */
function target(): Promise<{ readonly url: string; close(): Promise<void> }> {
  let asked = 0
  return serveMetrics(() => {
    asked++
    return [
      '# TYPE asked_total counter',
      `asked_total{path="/a b",quote="\\"q\\""} ${asked}`,
      `asked_total{path="/c"} ${asked * 0.5}`,
      `asked_nan ${asked % 2 === 0 ? 'NaN' : asked}\n`,
    ].join('\n')
  })
}

async function stored(job: string): Promise<Array<Record<string, unknown>>> {
  return influxQuery(influx.url, DATABASE, `SELECT * FROM prometheus WHERE job = '${job}'`).catch(() => [])
}

/** What came of `asked_total`: the first series counts by 1, the other by ½, and nothing is missing between. */
async function isWhole(job: string): Promise<void> {
  const rows = await stored(job)
  for (const [path, step] of [
    ['/a b', 1],
    ['/c', 0.5],
  ] as const) {
    const values = rows.filter((row) => row.path === path).map((row) => Number(row.asked_total))
    expect(values.length).toBeGreaterThanOrEqual(SCRAPES)
    expect(values).toEqual(values.map((_, i) => values[0]! + i * step))
  }
  expect(rows.filter((row) => row.path === '/a b').every((row) => row.quote === '"q"')).toBe(true)
  const odd = rows.flatMap((row) => (typeof row.asked_nan === 'number' ? [row.asked_nan] : []))
  expect(odd.length).toBeGreaterThan(0)
  expect(odd.every((value) => value % 2 === 1)).toBe(true)
}

async function ending(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  if (child.exitCode === null) await once(child, 'exit')
}

it('Prometheus 2.42: all that it has of a target is stored, with its times, and no stale marker', async () => {
  const page = await target()
  const port = await freePort()
  const config = join(folder, 'prometheus.yml')
  await writeFile(
    config,
    `global: {scrape_interval: 200ms, scrape_timeout: 200ms}
remote_write: [{url: '${url}/api/v1/prom/write', queue_config: {batch_send_deadline: 200ms}}]
scrape_configs: [{job_name: prometheus, static_configs: [{targets: ['${new URL(page.url).host}']}]}]
`,
  )
  const prometheus = spawn(
    findProgram('prometheus', 'prometheus'),
    [
      ...[`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'prometheus')}`],
      ...[`--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  try {
    const of = async (job: string, path: string): Promise<number> =>
      (await stored(job)).filter((row) => row.path === path).length
    await until('it has scraped often', async () => (await of('prometheus', '/c')) >= SCRAPES, 60_000)
    await page.close()
    await until('it says that the target is away', async () => (await stored('prometheus')).some((row) => row.up === 0))
    const query = encodeURIComponent('{job="prometheus"}[10m]')
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${query}`)
    const { data } = (await answer.json()) as {
      data: { result: Array<{ metric: Record<string, string>; values: Array<[number, string]> }> }
    }
    const rows = await stored('prometheus')
    const missing: string[] = []
    let compared = 0
    for (const { metric, values } of data.result) {
      const { __name__: name = '', ...labels } = metric
      for (const [seconds, value] of values) {
        if (!Number.isFinite(Number(value))) continue
        compared++
        const isThere = rows.some(
          (row) =>
            Math.round(Number(row.time) / 1000) === Math.round(seconds * 1000) &&
            row[name] === Number(value) &&
            Object.entries(labels).every(([label, is]) => row[label] === is),
        )
        if (!isThere) missing.push(`${name} ${JSON.stringify(labels)} ${value} at ${seconds}`)
      }
    }
    expect(compared).toBeGreaterThan(SCRAPES * 4)
    // The last scrape may be on its way.
    const newest = Math.max(...data.result.flatMap(({ values }) => values.map(([seconds]) => seconds)))
    expect(missing.filter((text) => !text.endsWith(` at ${newest}`))).toEqual([])
    await isWhole('prometheus')
  } finally {
    await ending(prometheus)
  }
})

it('vmagent: each scrape of a target is stored', async () => {
  const page = await target()
  const config = join(folder, 'scrape.yml')
  const host = new URL(page.url).host
  await writeFile(
    config,
    `global: {scrape_interval: 200ms}\nscrape_configs: [{job_name: vmagent, static_configs: [{targets: ['${host}']}]}]\n`,
  )
  const vmagent = spawn(
    findProgram('vmagent', 'victoria-metrics'),
    [
      ...[`-httpListenAddr=127.0.0.1:${await freePort()}`, `-promscrape.config=${config}`],
      ...['-remoteWrite.flushInterval=100ms', `-remoteWrite.url=${url}/api/v1/prom/write`],
      `-remoteWrite.tmpDataPath=${join(folder, 'vmagent')}`,
    ],
    { stdio: 'ignore' },
  )
  try {
    const count = async (): Promise<number> => (await stored('vmagent')).filter((row) => row.path === '/c').length
    await until('it has scraped often', async () => (await count()) >= SCRAPES, 60_000)
  } finally {
    await ending(vmagent)
  }
  await isWhole('vmagent')
  await page.close()
})

it("InfluxDB's own client: each point is stored", async () => {
  const write = new InfluxDB({ url, token: 'any' }).getWriteApi('org', 'bucket', 'ms', { batchSize: 500 })
  const fromMs = Date.now() - 3_600_000
  for (let n = 0; n < 20_000; n++) {
    const point = new Point('client')
      .tag('host', `h ${n % 10},=`)
      .intField('n', n)
      .floatField('half', n / 2)
    write.writePoint(
      point
        .stringField('text', `"${n}"\\`)
        .booleanField('odd', n % 2 === 1)
        .timestamp(fromMs + n),
    )
  }
  await write.close()
  const rows = async (): Promise<Array<Record<string, unknown>>> =>
    influxQuery(influx.url, DATABASE, 'SELECT * FROM client').catch(() => [])
  await until('all are there', async () => (await rows()).length === 20_000)
  const wrong = (await rows()).filter(({ time, host, half, text, odd, n }) => {
    const id = Number(n)
    const isRight = host === `h ${id % 10},=` && half === id / 2 && text === `"${id}"\\` && odd === (id % 2 === 1)
    return !isRight || Number(time) !== (fromMs + id) * 1000
  })
  expect(wrong).toEqual([])
})

it('curl: lines, packed or not, JSON and CSV are stored', async () => {
  const curl = async (path: string, ...args: string[]): Promise<string> =>
    (await promisify(execFile)(findProgram('curl', 'curl'), ['-sS', '-w', '%{http_code}', ...args, url + path])).stdout
  const packed = join(folder, 'lines.gz')
  await writeFile(
    packed,
    gzipSync(Array.from({ length: 1000 }, (_, n) => `curl,way=gzip n=${n}i ${1.7e9 + n}`).join('\n')),
  )
  expect(await curl('/api/v2/write?precision=s', '--data-binary', 'curl,way=plain n=1i 1700000000')).toBe('204')
  expect(await curl('/write?precision=s', '-H', 'content-encoding: gzip', '--data-binary', `@${packed}`)).toBe('204')
  const record = '{"metric":"DCGM_FI_DEV_GPU_TEMP","value":61,"uuid":"GPU-curl","gpu_id":"0","hostname":"n1"}'
  expect(await curl('/telemetry', '-H', 'content-type: application/json', '-d', record)).toBe(
    '{"status":"success","points_saved":1}200',
  )
  const csv = join(folder, 'readings.csv')
  await writeFile(csv, 'timestamp,metric_name,uuid,value\n2025-07-18T20:42:34Z,DCGM_FI_DEV_POWER_USAGE,GPU-curl,250\n')
  const sent = await curl('/api/v1/ingest/csv', '-H', 'content-type: text/csv', '-T', csv, '-X', 'POST')
  expect(sent).toBe('{"status":"success","points_saved":1}200')
  await until('all of it is there', async () => {
    const ask = (query: string): Promise<Array<Record<string, unknown>>> =>
      influxQuery(influx.url, DATABASE, query).catch(() => [])
    const lines = await ask('SELECT count(n), sum(n) FROM curl GROUP BY way')
    const gpu = await ask("SELECT temperature_celsius, power_watts FROM gpu WHERE uuid = 'GPU-curl'")
    return (
      lines.some(({ way, count, sum }) => way === 'gzip' && count === 1000 && sum === 499_500) &&
      lines.some(({ way, count }) => way === 'plain' && count === 1) &&
      gpu.some((row) => row.temperature_celsius === 61) &&
      gpu.some((row) => row.power_watts === 250)
    )
  })
})
