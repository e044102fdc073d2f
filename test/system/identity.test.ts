import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { influxQuery } from '../support/influx.ts'
import { run, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

let redis: TestServer
let influx: TestServer
let folder: string

beforeAll(async () => {
  ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
  folder = await mkdtemp(join(tmpdir(), 'sentinel-identity-'))
})

afterAll(async () => {
  await Promise.all([redis.stop(), influx.stop()])
  await rm(folder, { recursive: true, force: true })
})

/** A process with a data folder of its own, as on another machine, which says that it is `web-01`. */
async function start(role: 'agent' | 'server' | 'api', name: string, more: Record<string, string> = {}) {
  const port = await freePort()
  const env = {
    ...{ REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_DATA_PATH: join(folder, name) },
    ...{ SENTINEL_ADMIN_PORT: `${port}`, SENTINEL_AGENT_HOST: 'web-01', ...more },
    ...(role === 'agent' ? { SENTINEL_AGENT_INTERVAL_MS: '100ms' } : {}),
  }
  const program = startProgram(role, { env })
  await program.logged('started')
  return { program, env, admin: `http://127.0.0.1:${port}` }
}

it('two agents of one name are told of, with both run ids, and all roles keep points of their own', async () => {
  const apiPort = await freePort()
  const streams = { SENTINEL_BROKER_KIND: 'streams' }
  const servers = [
    await start('server', 's1', { ...streams, SENTINEL_BROKER_CONSUMER: 's1' }),
    await start('server', 's2', { ...streams, SENTINEL_BROKER_CONSUMER: 's2' }),
  ]
  const apis = [
    await start('api', 'api1', { ...streams, SENTINEL_API_PORT: `${apiPort}` }),
    await start('api', 'api2', { ...streams, SENTINEL_API_PORT: '0' }),
  ]
  // They have one measurement in common, which is not the first of each.
  const agents = [
    await start('agent', 'a1', { ...streams, SENTINEL_AGENT_INCLUDE: 'mem,system' }),
    await start('agent', 'a2', { ...streams, SENTINEL_AGENT_INCLUDE: 'cpu,system' }),
  ]
  const server = servers[0]!

  const conflict = async (): Promise<string | null> => {
    const answer = (await (await fetch(`http://127.0.0.1:${apiPort}/api/v1/hosts`)).json()) as {
      hosts: Array<{ host: string; conflict: string | null }>
    }
    return answer.hosts.find(({ host }) => host === 'web-01')?.conflict ?? null
  }
  await until('the API tells of it', async () => (await conflict()) !== null)
  expect(await conflict()).toMatch(
    /^web-01\/agent\/\w{8} and web-01\/agent\/\w{8} both send as this host.*--agent-host/,
  )
  await until('the server tells of it', async () =>
    (await (await fetch(`${server.admin}/metrics`)).text()).includes(
      'sentinel_host_conflicts{runs="web-01: web-01/agent/',
    ),
  )
  expect((await fetch(`${server.admin}/ready`)).status).toBe(200)
  expect(server.program.log().filter(({ msg }) => `${msg}`.includes('both send as this host'))).not.toHaveLength(0)

  const doctor = await run('sentinel', { args: ['doctor', 'server'], env: server.env })
  expect(doctor.code).toBe(1)
  expect(doctor.stdout).toMatch(
    /FAIL server hosts: two sources send as host web-01: web-01\/agent\/\w{8} and web-01\/agent\/\w{8}: .*--agent-host/,
  )

  await Promise.all([...agents, ...apis, ...servers].map(({ program }) => program.stop()))
  const rows = await influxQuery(
    influx.url,
    'telemetry',
    'SHOW TAG VALUES FROM "sentinel_pipeline" WITH KEY = "instance"',
  )
  expect(rows).toHaveLength(6)
  const series = await influxQuery(influx.url, 'telemetry', 'SHOW SERIES FROM "sentinel_pipeline"')
  const perRole = (role: string): number => series.filter((row) => JSON.stringify(row).includes(`role=${role}`)).length
  expect([perRole('agent'), perRole('api'), perRole('server')]).toEqual([2, 2, 2])
})
