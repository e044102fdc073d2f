import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { InfluxDB, Point } from '@influxdata/influxdb-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { influxQuery } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { packedSeries, packSnappy, type TestSeries } from '../support/remote-write.ts'
import { findProgram, freePort, sleep, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/** The first second of the numbered lines: each has a second of its own. */
const FROM_S = Math.floor(Date.now() / 1000) - 3 * 3600

/** Posts numbered lines until it is told to stop, each body again until it is answered 2xx, and knows which were. */
class Writer {
  readonly taken = new Set<number>()
  readonly by = new Map<string, number>()
  readonly refusals = new Map<number, number>()
  #isStopping = false
  #next = 0
  readonly #done: Promise<unknown>

  constructor(url: () => string, measurement: string, { writers = 4, pauseMs = 0 } = {}) {
    const write = async (): Promise<void> => {
      while (!this.#isStopping) {
        const numbers = Array.from({ length: 10 }, () => this.#next++)
        const body = numbers.map((n) => `${measurement},host=intake n=${n}i ${FROM_S + n}`).join('\n')
        while (!(await this.#post(`${url()}/api/v2/write?precision=s`, body, numbers))) {
          if (this.#isStopping) return
          await sleep(50)
        }
        await sleep(pauseMs)
      }
    }
    this.#done = Promise.all(Array.from({ length: writers }, write))
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#done
  }

  async #post(url: string, body: string, numbers: readonly number[]): Promise<boolean> {
    const answer = await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(10_000) }).catch(
      () => undefined,
    )
    if (answer?.status !== 204) {
      if (answer !== undefined) this.refusals.set(answer.status, (this.refusals.get(answer.status) ?? 0) + 1)
      await answer?.text().catch(() => {})
      return false
    }
    for (const n of numbers) this.taken.add(n)
    const by = answer.headers.get('sentinel-durable')!
    this.by.set(by, (this.by.get(by) ?? 0) + 1)
    return true
  }
}

describe('the intake over streams', () => {
  let redis: TestServer
  let influx: TestServer
  let folder: string
  let port: number
  let api: Program
  let server: Program

  const settings = (): string[] => [
    ...[`--redis-url=${redis.url}`, '--broker-kind=streams', `--influx-url=${influx.url}`],
    ...[`--data-path=${folder}`, '--admin-port=0'],
  ]
  const url = (): string => `http://127.0.0.1:${port}`
  const startApi = (...args: string[]): Program =>
    startProgram('api', { args: [...settings(), `--api-port=${port}`, ...args] })
  const startServer = (): Program =>
    startProgram('server', { args: [...settings(), '--broker-consumer=one', '--broker-visibility-ms=1s'] })

  beforeAll(async () => {
    const fsync = ['--appendonly', 'yes', '--appendfsync', 'always']
    ;[redis, influx, port, folder] = await Promise.all([
      startRedis({ args: fsync }),
      startInflux(),
      freePort(),
      mkdtemp(join(tmpdir(), 'sentinel-intake-')),
    ])
    api = startApi()
    server = startServer()
    await api.logged('api listens')
    await server.logged('server consumes')
  })

  afterAll(async () => {
    await Promise.all([api.stop(), server.stop()])
    await Promise.all([redis.stop(), influx.stop()])
    await rm(folder, { recursive: true, force: true })
  })

  const stored = async (measurement: string): Promise<Set<number>> => {
    const rows = await influxQuery(influx.url, 'telemetry', `SELECT n FROM ${measurement}`).catch(() => [])
    return new Set(rows.map(({ n }) => Number(n)))
  }

  it('refuses with 429 and takes nothing while what waits has its bound, and loses nothing of it', async () => {
    await api.stop()
    api = startApi('--intake-max-held-bytes=1MiB')
    await api.logged('api listens')
    await redis.halt('SIGKILL')
    const writer = new Writer(url, 'bounded', { writers: 1 })
    // Long texts fill it soon.
    const text = 'x'.repeat(60_000)
    const statuses: number[] = []
    let taken = 0
    for (let i = 0; i < 40; i++) {
      const body = `long,host=intake text="${text}",n=${i}i ${FROM_S + i}`
      const answer = await fetch(`${url()}/write?precision=s`, { method: 'POST', body })
      if (answer.status === 204) taken++
      if (answer.status === 429) expect(answer.headers.get('retry-after')).toBe('1')
      statuses.push(answer.status)
    }
    expect(new Set(statuses)).toEqual(new Set([204, 429]))
    await writer.stop()
    await redis.start()
    await until('what was taken is stored', async () => {
      const rows = await influxQuery(influx.url, 'telemetry', 'SELECT n FROM long')
      return rows.length === taken
    })
  })

  it("takes what InfluxDB's own client writes", async () => {
    const write = new InfluxDB({ url: url() }).getWriteApi('org', 'bucket', 'ms', { gzipThreshold: 1 })
    for (let n = 0; n < 500; n++) {
      write.writePoint(
        new Point('client')
          .tag('host', 'intake')
          .intField('n', n)
          .timestamp(FROM_S * 1000 + n),
      )
    }
    await write.close()
    await until('all points are stored', async () => (await stored('client')).size === 500)
  })

  it('takes what vmagent writes by remote write 1.0', async () => {
    const own = await freePort()
    const config = join(folder, 'scrape.yml')
    // It scrapes itself.
    const jobs = `scrape_configs:\n- job_name: self\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['127.0.0.1:${own}']\n`
    await writeFile(config, jobs)
    const vmagent = spawn(
      findProgram('vmagent', 'victoria-metrics'),
      [
        ...[`-httpListenAddr=127.0.0.1:${own}`, `-promscrape.config=${config}`, '-remoteWrite.flushInterval=100ms'],
        ...[`-remoteWrite.url=${url()}/api/v1/prom/write`, `-remoteWrite.tmpDataPath=${join(folder, 'vmagent')}`],
      ],
      { stdio: 'ignore' },
    )
    try {
      await until('what it scraped is stored', async () => {
        const query = `SELECT last(up) FROM prometheus WHERE job = 'self'`
        const rows = await influxQuery(influx.url, 'telemetry', query).catch(() => [])
        return rows[0]?.last === 1
      })
    } finally {
      vmagent.kill('SIGKILL')
      await once(vmagent, 'exit')
    }
  })

  it('takes remote write 2.0, and says how much is written', async () => {
    const series = (name: string, histograms = 0): TestSeries => ({
      labels: [
        ['__name__', name],
        ['job', 'two'],
      ],
      samples: histograms === 0 ? [[1.5, FROM_S * 1000]] : [],
      ...{ histograms, exemplars: 0 },
    })
    const post = (some: readonly TestSeries[]): Promise<Response> =>
      fetch(`${url()}/api/v1/prom/write`, {
        method: 'POST',
        body: new Uint8Array(packSnappy(packedSeries(some, '2.0'))),
        headers: {
          'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
          ...{ 'content-encoding': 'snappy', 'x-prometheus-remote-write-version': '2.0.0' },
        },
      })
    const written = ({ headers }: Response): unknown[] =>
      ['samples', 'histograms', 'exemplars'].map((what) => headers.get(`x-prometheus-remote-write-${what}-written`))
    const good = await post([series('two_a'), series('two_b')])
    expect([good.status, ...written(good)]).toEqual([204, '2', '0', '0'])
    const partly = await post([series('two_c'), series('two_native', 3)])
    expect([partly.status, ...written(partly)]).toEqual([400, '1', '0', '0'])
    expect(await partly.text()).toContain('two_native: native histograms are not taken')
    await until('all values are stored', async () => {
      const query = `SELECT two_a, two_b, two_c FROM prometheus WHERE job = 'two'`
      const rows = await influxQuery(influx.url, 'telemetry', query).catch(() => [])
      return rows.length === 1 && rows[0]!.two_a === 1.5 && rows[0]!.two_c === 1.5
    })
  })

  it('takes readings of GPUs as JSON and as CSV', async () => {
    const at = (i: number): string => new Date((FROM_S + i) * 1000).toISOString()
    const record = { metric: 'DCGM_FI_DEV_GPU_TEMP', value: 61, time: at(0), uuid: 'GPU-J', gpu_id: '0' }
    const saved = await fetch(`${url()}/telemetry`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ ...record, model_name: 'H100', hostname: 'n1', pod: 'p1' }),
    })
    expect([saved.status, await saved.json()]).toEqual([200, { status: 'success', points_saved: 1 }])
    const rows = [
      'timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw',
      ...Array.from(
        { length: 5000 },
        (_, i) => `${at(i)},DCGM_FI_DEV_GPU_TEMP,0,nvidia0,GPU-C,H100,n1,,,,${i % 100},"a=""b"""`,
      ),
    ]
    const file = await fetch(`${url()}/api/v1/ingest/csv`, { method: 'POST', body: rows.join('\n') })
    expect([file.status, await file.json()]).toEqual([200, { status: 'success', points_saved: 5000 }])
    await until('all of them are stored', async () => {
      const query = 'SELECT count(temperature_celsius) FROM gpu GROUP BY uuid'
      const counts = await influxQuery(influx.url, 'telemetry', query).catch(() => [])
      const of = (uuid: string): unknown => counts.find((row) => row.uuid === uuid)?.count
      return of('GPU-C') === 5000 && of('GPU-J') === 1
    })
  })

  it('answers bodies that are packed, empty, wrong or too large in the words that senders know', async () => {
    const post = async (path: string, body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) => {
      const answer = await fetch(url() + path, { method: 'POST', body, headers })
      return { status: answer.status, text: await answer.text() }
    }
    const packed = new Uint8Array(gzipSync(`packed,host=intake n=7i ${FROM_S}`))
    const bomb = new Uint8Array(gzipSync(Buffer.alloc(64 * 2 ** 20)))
    for (const [path, body, headers, status, text] of [
      ['/write?precision=s', packed, { 'content-encoding': 'gzip' }, 204, ''],
      ['/write', '', {}, 204, ''],
      ['/write', 'x', { 'content-encoding': 'gzip' }, 400, 'is not packed as gzip'],
      ['/write', 'x', { 'content-encoding': 'br' }, 415, 'only as gzip or deflate'],
      ['/write', bomb, { 'content-encoding': 'gzip' }, 413, 'intake.maxBodyBytes'],
      ['/api/v2/write?precision=m', 'm v=1', {}, 400, 'valid precision units are ns, us, ms, and s'],
      ['/api/v2/write', 'm v=1\nbad', {}, 400, "unable to parse 'bad'"],
    ] as const) {
      expect(await post(path, body, headers), `${path} ${status}`).toMatchObject({
        status,
        text: expect.stringContaining(text) as string,
      })
    }
    expect((await fetch(`${url()}/ping`)).status).toBe(204)
    expect(await (await fetch(`${url()}/health`, { headers: { accept: 'application/json' } })).json()).toMatchObject({
      status: 'pass',
    })
    await until('the packed line is stored', async () => (await stored('packed')).has(7))
  })
})

it('the intake of "sentinel up" has in its store whatever it answered before a kill -9', {
  timeout: 120_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-intake-up-'))
  const port = await freePort()
  const start = (): Program =>
    startProgram('sentinel', {
      args: [
        'up',
        `--api-port=${port}`,
        '--admin-port=0',
        `--data-path=${folder}`,
        `--duckdb-path=${join(folder, 'h.duckdb')}`,
      ],
    })
  let up = start()
  await up.logged('started')
  const writer = new Writer(() => `http://127.0.0.1:${port}`, 'up', { writers: 1, pauseMs: 50 })
  for (let round = 0; round < 3; round++) {
    const before = writer.taken.size
    await until('more lines are taken', () => writer.taken.size > before + 300, 60_000)
    up.signal('SIGKILL')
    await up.ended
    up = start()
  }
  await up.logged('started')
  await writer.stop()
  expect([...writer.by.keys()]).toEqual(['disk'])
  const query = `measurement=up&field=n&aggregate=last&every=1s&start=${FROM_S}000000&end=${FROM_S + 7200}000000`
  await until(
    'all of it is stored',
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/hosts/intake/metrics?${query}`)
      const { series = [] } = (await answer.json()) as { series?: Array<{ points: Array<[number, number]> }> }
      const found = new Set(series.flatMap(({ points }) => points.map(([, n]) => n)))
      return [...writer.taken].every((n) => found.has(n))
    },
    60_000,
  )
  await up.stop()
  await rm(folder, { recursive: true, force: true })
})

it('over Pub/Sub it answers 503 and names streams, and "sentinel validate" says so', async () => {
  const [redis, port] = await Promise.all([startRedis(), freePort()])
  const api = startProgram('api', { args: [`--redis-url=${redis.url}`, `--api-port=${port}`, '--admin-port=0'] })
  await api.logged('api listens')
  const answer = await fetch(`http://127.0.0.1:${port}/api/v2/write`, { method: 'POST', body: 'm v=1' })
  expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('--broker-kind streams')])
  const validate = startProgram('sentinel', { args: ['validate', 'api'] })
  await validate.ended
  expect(validate.stderr()).toContain('note: the intake')
  await api.stop()
  await redis.stop()
})
