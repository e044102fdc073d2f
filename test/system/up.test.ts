import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, metric } from '../support/api.ts'
import { importedIn, listImportsIn } from '../support/imported-modules.ts'
import { influxCount } from '../support/influx.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { freePort, sleep, startInflux, startRedis, until } from '../support/servers.ts'

const HOST_MEASUREMENTS = ['cpu', 'disk', 'diskio', 'mem', 'net', 'processes', 'swap', 'system']

describe('sentinel up: the whole pipeline in one process, with no server', () => {
  let folder: string
  let ports: { api: number; admin: number }
  let api: ApiClient
  let up: Program

  const start = (): Program =>
    startProgram('sentinel', {
      args: [
        ...['up', `--api-port=${ports.api}`, `--admin-port=${ports.admin}`],
        `--duckdb-path=${join(folder, 'data', 'sentinel.duckdb')}`,
      ],
    })

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-up-'))
    ports = { api: await freePort(), admin: await freePort() }
    api = new ApiClient(ports.api)
    up = start()
    await api.firstHost()
  })
  afterAll(async () => {
    await up?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('prints the address of the page', () => {
    expect(up.stdout()).toContain(`http://127.0.0.1:${ports.api}`)
  })

  it('shows this machine, live and from history, in all eight measurements and its own metrics', async () => {
    const [host] = await api.hosts()
    expect(host).toMatchObject({ host: hostname(), stale: false })
    expect(host?.memPercent).toBeGreaterThan(0)

    const seen = new Set<string>()
    await api.live((samples) => {
      for (const { measurement } of samples) seen.add(measurement)
      return HOST_MEASUREMENTS.every((measurement) => seen.has(measurement)) && seen.has('sentinel_pipeline')
    })

    await until('history has points of two seconds', async () => {
      const query = { measurement: 'cpu', field: 'usage_idle', tag: 'cpu=cpu-total', start: '-1m', every: '1s' }
      const { series } = await api.history(hostname(), query)
      return (series[0]?.points.length ?? 0) >= 2
    })
  })

  it('balances: what was received is written, and nothing is lost', async () => {
    await until('the server has told its own metrics', async () => {
      const [figures] = (await api.live((samples) => samples.length > 0, '?measurement=sentinel_pipeline')).filter(
        ({ tags }) => tags.role === 'server',
      )
      const { received, written, rejected, dropped, held, lost } = (figures?.fields ?? {}) as Record<string, number>
      return (
        received! > 50 &&
        received === written! + rejected! + dropped! + held! &&
        rejected === 0 &&
        dropped === 0 &&
        lost === 0
      )
    })
  })

  it('answers health, readiness and metrics on the admin listener and on the API', async () => {
    for (const port of [ports.admin, ports.api]) {
      const base = `http://127.0.0.1:${port}`
      const health = await (await fetch(`${base}/health`)).text()
      expect(health).toMatch(port === ports.api ? /^OK$/ : /"status":"ok"/)
      expect(await (await fetch(`${base}/ready`)).json()).toEqual({ ready: true, reasons: [] })
      expect(await metric(base, 'sentinel_written_samples_total')).toBeGreaterThan(0)
    }
  })

  it('serves the page, and the OpenAPI document', async () => {
    const page = await fetch(`http://127.0.0.1:${ports.api}/`)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(await page.text()).toContain('SentinelStream')
    const document = (await (await fetch(`http://127.0.0.1:${ports.api}/docs/json`)).json()) as { openapi: string }
    expect(document.openapi).toMatch(/^3\.1/)
  })

  it('refuses a second process on the same file, and says what to do', async () => {
    const second = await run('sentinel', {
      args: [
        ...['up', `--api-port=${await freePort()}`, `--admin-port=${await freePort()}`],
        `--duckdb-path=${join(folder, 'data', 'sentinel.duckdb')}`,
      ],
    })
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('sentinel.duckdb')
  })

  it('says which port is taken, and how to take another', async () => {
    const second = await run('sentinel', {
      args: [
        ...['up', `--api-port=${ports.api}`, `--admin-port=${await freePort()}`],
        `--duckdb-path=${join(folder, 'other.duckdb')}`,
      ],
    })
    expect(second.code).toBe(1)
    expect(second.stderr).toContain(`${ports.api}`)
    expect(second.stderr).toContain('--api-port')
  })

  it('drains at SIGTERM, with one closing line whose sums balance, and keeps the history for the next start', async () => {
    expect(await up.stop()).toBe(0)
    const [summary, ...more] = up.log().filter(({ msg }) => String(msg).startsWith('summary'))
    expect(more).toEqual([])
    const { received, written, rejected, dropped, held, lost } = summary as Record<string, number>
    expect(received).toBeGreaterThan(50)
    expect(written! + rejected! + dropped! + held!).toBe(received)
    expect([dropped, lost]).toEqual([0, 0])
    expect(
      up.log().some(({ msg }) => /^DURABLE_LATENCY_STATS count=\d+ p50_us=\d+ p90_us=\d+ p99_us=\d+$/.test(`${msg}`)),
    ).toBe(true)

    const query = { measurement: 'mem', field: 'used_percent', start: '-10m', every: '1s', aggregate: 'last' }
    up = start()
    await api.firstHost()
    const startedAt = Date.now() * 1000
    const { series } = await api.history(hostname(), query)
    const before = series[0]?.points.filter(([at]) => at < startedAt - 5_000_000) ?? []
    expect(before.length).toBeGreaterThan(0)
  })

  it('ends at once at the second signal', async () => {
    up.signal('SIGINT')
    await up.logged('stopping')
    up.signal('SIGINT')
    // A Node.js that cannot replace itself is killed: internal/lifecycle/exit.ts.
    expect([0, 130, 'SIGKILL']).toContain(await up.ended)
  })

  it('keeps the number of its open files', async () => {
    up = start()
    await api.firstHost()
    const countFiles = (): number => readdirSync(`/proc/${up.pid}/fd`).length
    await sleep(2000)
    const before = countFiles()
    await sleep(5000)
    expect(Math.abs(countFiles() - before)).toBeLessThanOrEqual(2)
    expect(readFileSync(`/proc/${up.pid}/cmdline`, 'utf8')).toContain('sentinel')
  })
})

describe('sentinel up without REDIS_URL and INFLUX_URL', () => {
  it('loads no client for Redis or InfluxDB, no profiler, and nothing that only other systems need', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-up-'))
    const file = join(folder, 'imports')
    const apiPort = await freePort()
    const up = startProgram('sentinel', {
      args: ['up', `--api-port=${apiPort}`, `--admin-port=${await freePort()}`],
      env: { ...listImportsIn(file), SENTINEL_DATA_PATH: join(folder, 'data') },
      cwd: folder,
    })
    const api = new ApiClient(apiPort)
    await api.firstHost()
    await fetch(`http://127.0.0.1:${apiPort}/`)
    await api.history(hostname(), { measurement: 'mem', field: 'used_percent', start: '-1m', every: '1s' })
    expect(await up.stop()).toBe(0)

    const imported = importedIn(file)
    expect(imported).toEqual(
      expect.arrayContaining(['@duckdb/node-api', 'fastify', 'internal/broker/memory/broker.js']),
    )
    const unneeded = ['ioredis', '@influxdata/influxdb-client', '@datadog/pprof', 'pprof-format', 'systeminformation']
    expect(imported.filter((name) => unneeded.includes(name))).toEqual([])
    expect(imported.filter((name) => /^internal\/broker\/(redis|pubsub|streams)\//.test(name))).toEqual([])
    await rm(folder, { recursive: true })
  })
})

describe('sentinel up with REDIS_URL and INFLUX_URL', () => {
  it('uses those servers instead, and makes no file', async () => {
    const [redis, influx] = await Promise.all([startRedis(), startInflux()])
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-up-'))
    const [apiPort, adminPort] = await Promise.all([freePort(), freePort()])
    const up = startProgram('sentinel', {
      args: ['up', `--api-port=${apiPort}`, `--admin-port=${adminPort}`, '--agent-host=web-01'],
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url },
      cwd: folder,
    })
    const api = new ApiClient(apiPort)
    expect(await api.firstHost()).toMatchObject({ host: 'web-01' })
    await until('InfluxDB has it', async () => (await influxCount(influx.url, 'telemetry', 'cpu', 'usage_idle')) > 2)
    const [figures] = await api.live((samples) => samples.length > 0, '?measurement=sentinel_pipeline')
    expect(figures?.tags.host).toBe('web-01')
    expect(await up.stop()).toBe(0)
    expect(readdirSync(folder)).toEqual([])
    await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true })])
  })
})
