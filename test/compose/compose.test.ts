import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient } from '../support/api.ts'
import { influxCount } from '../support/influx.ts'
import { until } from '../support/servers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROJECT = 'sentinelstream-test'
const SERVICES = ['redis', 'influxdb', 'server', 'api', 'agent']

/** `docker compose` where the engine has the plugin, else the program of the same name. */
function composeCommand(): string[] {
  const engine = spawnSync('docker', ['info'], { encoding: 'utf8' })
  if (engine.error !== undefined || engine.status !== 0) {
    throw new Error(
      'no Docker engine answers: apt-get install docker.io docker-compose, then start dockerd (https://docs.docker.com/engine/install)',
    )
  }
  if (spawnSync('docker', ['compose', 'version']).status === 0) return ['docker', 'compose']
  if (spawnSync('docker-compose', ['version']).status === 0) return ['docker-compose']
  throw new Error('Docker Compose is missing: apt-get install docker-compose')
}

describe('docker compose up --build', () => {
  let command: string[]
  let override: string

  function compose(...args: string[]): string {
    const [program, ...first] = command
    const files = ['-f', join(ROOT, 'docker-compose.yml'), '-f', override, '-p', PROJECT]
    return execFileSync(program!, [...first, ...files, ...args], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
    })
  }

  function health(service: string): string {
    const id = compose('ps', '-q', service).trim()
    if (id === '') return 'not there'
    const format = '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}'
    return execFileSync('docker', ['inspect', '-f', format, id], { encoding: 'utf8' }).trim()
  }

  const allHealthy = (): boolean => SERVICES.every((service) => health(service) === 'healthy')

  beforeAll(() => {
    command = composeCommand()
    override = join(mkdtempSync(join(tmpdir(), 'sentinel-compose-')), 'override.yml')
    // A build inside a network of its own may not reach the package registry that this machine reaches.
    const build = { build: { network: 'host' } }
    writeFileSync(
      override,
      JSON.stringify({ services: { server: build, api: build, agent: build, dashboards: build } }),
    )
    compose('down', '--volumes', '--remove-orphans')
    compose('up', '--build', '--detach')
  }, 900_000)

  afterAll(() => {
    if (override === undefined) return
    compose('down', '--volumes', '--remove-orphans')
    rmSync(override, { force: true })
  }, 120_000)

  const api = new ApiClient(8080)

  it('comes up with every service healthy', async () => {
    await until('all services are healthy', allHealthy, 180_000)
  }, 200_000)

  it('shows this host’s real samples over the API and keeps them in the database', async () => {
    const host = await api.firstHost(60_000)
    expect(host).toMatchObject({ host: 'demo', stale: false })
    expect(host.memPercent).toBeGreaterThan(0)
    await until('cpu stands in the database', async () => {
      return (await influxCount('http://127.0.0.1:8086', 'telemetry', 'cpu', 'usage_idle')) > 5
    })
  })

  it('serves the page on this machine only', async () => {
    const page = await fetch('http://127.0.0.1:8080/')
    expect(await page.text()).toContain('SentinelStream')
    const ports = compose('port', 'api', '8080').trim()
    expect(ports).toBe('127.0.0.1:8080')
  })

  it.each(['server', 'redis', 'influxdb'])('heals when %s is stopped and started again', async (service) => {
    compose('stop', service)
    expect(health(service)).not.toBe('healthy')
    compose('start', service)
    await until('all services are healthy again', allHealthy, 120_000)
    const startedAt = Date.now() * 1000
    await until('a fresh sample has come through', async () => {
      return (await api.hosts().catch(() => [])).some(({ host, lastSeenAt }) => host === 'demo' && lastSeenAt > startedAt)
    })
    const query = { measurement: 'mem', field: 'used_percent', start: '-1m', every: '1s', aggregate: 'last' }
    await until('and is stored', async () => {
      const { series } = await api.history('demo', query).catch(() => ({ series: [] }))
      return (series[0]?.points ?? []).some(([at]) => at > startedAt)
    })
  }, 200_000)

  it('runs as a user without rights, on a file system that it cannot write', () => {
    for (const service of ['agent', 'server', 'api']) {
      const id = compose('ps', '-q', service).trim()
      const user = execFileSync('docker', ['exec', id, 'node', '-p', 'process.getuid()'], { encoding: 'utf8' }).trim()
      expect(Number(user)).toBeGreaterThan(0)
      const write = spawnSync('docker', ['exec', id, 'node', '-e', 'require("fs").writeFileSync("/app/x", "")'])
      expect(write.status).not.toBe(0)
    }
  })
})
