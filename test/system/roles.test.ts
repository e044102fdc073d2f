import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, metric } from '../support/api.ts'
import { importedIn, listImportsIn } from '../support/imported-modules.ts'
import { influxCount } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

// The same three processes over both brokers of Redis: what they promise besides is the brokers' own tests' to show.
describe.each(['pubsub', 'streams'])('agent, server and api as processes of their own, over %s', (broker) => {
  let redis: TestServer
  let influx: TestServer
  let agent: Program
  let server: Program
  let apiProgram: Program
  let api: ApiClient
  let adminOf: Record<'agent' | 'server' | 'api', string>

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    const [agentPort, serverPort, apiAdminPort, apiPort] = await Promise.all([1, 2, 3, 4].map(() => freePort()))
    adminOf = {
      agent: `http://127.0.0.1:${agentPort}`,
      server: `http://127.0.0.1:${serverPort}`,
      api: `http://127.0.0.1:${apiAdminPort}`,
    }
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: broker }
    const start = (name: string, admin: number, args: string[] = []): Program =>
      startProgram(name, { env: { ...env, SENTINEL_ADMIN_PORT: `${admin}` }, args })
    agent = start('agent', agentPort!, ['--agent-host=web-01', '--agent-interval-ms=200'])
    server = start('server', serverPort!)
    apiProgram = start('api', apiAdminPort!, [`--api-port=${apiPort}`])
    api = new ApiClient(apiPort!)
  })
  afterAll(async () => {
    await Promise.all([agent, server, apiProgram].map((program) => program?.stop()))
    await redis?.stop()
    await influx?.stop()
  })

  it('show the host of the agent', async () => {
    expect(await api.firstHost()).toMatchObject({ host: 'web-01', stale: false })
  })

  it('have its samples in InfluxDB, under Telegraf’s names', async () => {
    await until('cpu is stored', async () => (await influxCount(influx.url, 'telemetry', 'cpu', 'usage_idle')) > 5)
    const query = { measurement: 'cpu', field: 'usage_idle', tag: 'cpu=cpu-total', start: '-1m', every: '1s' }
    const { series } = await api.history('web-01', query)
    expect(series).toHaveLength(1)
    expect(series[0]?.points.length).toBeGreaterThan(0)
  })

  it('are ready, and count what passes', async () => {
    // The API may have asked InfluxDB before the server had made the database: it looks again some seconds later.
    const readiness = (base: string) => fetch(`${base}/ready`).then((answer) => answer.json())
    for (const base of Object.values(adminOf)) {
      await expect.poll(() => readiness(base)).toEqual({ ready: true, reasons: [] })
    }
    expect(await metric(adminOf.agent, 'sentinel_sent_samples_total')).toBeGreaterThan(0)
    expect(await metric(adminOf.server, 'sentinel_written_samples_total')).toBeGreaterThan(0)
  })

  it('lose nothing when the server is restarted: the agent keeps what nobody takes', async () => {
    expect(await server.stop()).toBe(0)
    const first = summaryOf(server)
    const port = new URL(adminOf.server).port
    server = startProgram('server', {
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: broker, SENTINEL_ADMIN_PORT: port },
    })
    await server.logged('server consumes')
    await until('the agent holds nothing', async () => (await metric(adminOf.agent, 'sentinel_outbox_samples')) === 0)
    expect(await agent.stop()).toBe(0)
    expect(await apiProgram.stop()).toBe(0)
    expect(await server.stop()).toBe(0)
    const [fromAgent, fromApi] = [agent, apiProgram].map(summaryOf)
    expect(fromAgent).toMatchObject({ agent_dropped: 0, agent_held: 0 })
    expect(fromApi).toMatchObject({ api_dropped: 0 })
    const sent = Number(fromAgent?.agent_sent) + Number(fromApi?.api_sent)
    const arrived = [first, summaryOf(server)].map(({ received, own }) => Number(received) - Number(own))
    expect(arrived[0]! + arrived[1]!).toBe(sent)
  })
})

describe('the api, when the store goes away', () => {
  it('answers 503 with Retry-After, and 404 for a host that nobody knows', async () => {
    const [redis, influx] = await Promise.all([startRedis(), startInflux()])
    const [agentPort, serverPort, apiAdminPort, apiPort] = await Promise.all([1, 2, 3, 4].map(() => freePort()))
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    const programs = [
      startProgram('server', { env, args: [`--admin-port=${serverPort}`] }),
      startProgram('agent', { env, args: [`--admin-port=${agentPort}`, '--agent-host=web-01'] }),
      startProgram('api', { env, args: [`--admin-port=${apiAdminPort}`, `--api-port=${apiPort}`] }),
    ]
    const api = new ApiClient(apiPort!)
    await api.firstHost()
    const query = 'measurement=cpu&field=usage_idle'
    expect((await api.json(`/api/v1/hosts/nobody/metrics?${query}`)).status).toBe(404)
    await influx.halt()
    const away = await api.json<{ title: string }>(`/api/v1/hosts/web-01/metrics?${query}`)
    expect(away.status).toBe(503)
    expect(away.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(away.headers.get('content-type')).toContain('application/problem+json')
    await influx.start()
    await until('history is back', async () => (await api.json(`/api/v1/hosts/web-01/metrics?${query}`)).status === 200)
    for (const program of programs.reverse()) expect(await program.stop()).toBe(0)
    await redis.stop()
    await influx.stop()
  })
})

describe('the server', () => {
  it('has loaded neither undici nor HTTP/2 once it has written to InfluxDB', async () => {
    const [redis, influx, port] = await Promise.all([startRedis(), startInflux(), freePort()])
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-server-'))
    const file = join(folder, 'imports')
    const server = startProgram('server', {
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url, ...listImportsIn(file) },
      args: [`--admin-port=${port}`],
    })
    const written = () => metric(`http://127.0.0.1:${port}`, 'sentinel_written_samples_total')
    await server.logged('server consumes')
    await until('it has written its own metrics', async () => (await written()) > 0)
    expect(await server.stop(), server.stderr()).toBe(0)
    const imported = importedIn(file)
    expect(imported).toContain('internal/store/influx/kept-connection.js')
    expect(imported.filter((name) => ['undici', 'http2'].includes(name))).toEqual([])
    await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true })])
  })
})

function summaryOf(program: Program): Record<string, unknown> {
  const line = program.log().find(({ msg }) => String(msg).startsWith('summary'))
  if (line === undefined) throw new Error(`no summary line:\n${program.stderr()}`)
  return line
}
