import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, metric } from '../support/api.ts'
import { influxCount } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { json, publishRaw } from '../support/raw-redis.ts'
import {
  freePort,
  sleep,
  startInflux,
  startRedis,
  startSilentServer,
  type TestServer,
  until,
} from '../support/servers.ts'

/** So many lines may a process say of one trouble in so long a time. */
const CALM = { lines: 5, ms: 5000 }

interface Readiness {
  readonly status: number
  readonly reasons: string[]
}

async function readiness(adminPort: number): Promise<Readiness> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/ready`).catch(() => undefined)
  if (response === undefined) return { status: 0, reasons: [] }
  const { reasons } = (await response.json()) as { reasons: string[] }
  return { status: response.status, reasons }
}

const isReady = async (port: number): Promise<boolean> => (await readiness(port)).status === 200

/** The closing line. */
function summaryOf(program: Program): Record<string, unknown> {
  const line = program.log().find(({ msg }) => msg === 'summary')
  if (line === undefined) throw new Error(`no summary line:\n${program.stderr()}`)
  return line
}

describe('agent, server and api, started before Redis is there', () => {
  const roles = ['agent', 'server', 'api'] as const
  let redis: TestServer
  let influx: TestServer
  let api: ApiClient
  let ports: Record<(typeof roles)[number], number>
  let programs: Record<(typeof roles)[number], Program>

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    await redis.halt()
    const [agent, server, apiAdmin, apiPort] = (await Promise.all([1, 2, 3, 4].map(() => freePort()))) as [
      ...[number, number, number, number],
    ]
    ports = { agent, server, api: apiAdmin }
    api = new ApiClient(apiPort)
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_STOP_DEADLINE_MS: '10s' }
    const start = (role: (typeof roles)[number], ...args: string[]): Program =>
      startProgram(role, { env, args: [`--admin-port=${ports[role]}`, ...args] })
    programs = { agent: start('agent'), server: start('server'), api: start('api', `--api-port=${apiPort}`) }
    await Promise.all(roles.map((role) => programs[role].logged('refuses the connection')))
  })
  afterAll(async () => {
    for (const role of roles) programs?.[role].signal('SIGKILL')
    await redis?.stop()
    await influx?.stop()
  })

  const expectWaiting = async (): Promise<void> => {
    const reason = `Redis at ${redis.url} refuses the connection: is it running there? check REDIS_URL`
    for (const role of roles) {
      await until(`${role} says why it is not ready`, async () => {
        const { status, reasons } = await readiness(ports[role])
        return status === 503 && reasons.includes(reason)
      })
      expect((await fetch(`http://127.0.0.1:${ports[role]}/health`)).status).toBe(200)
    }
  }

  it('say that they are not ready, and why, and not more than once or twice', async () => {
    await expectWaiting()
    await sleep(CALM.ms)
    for (const role of roles) {
      const warnings = programs[role].log().filter(({ level }) => level !== 'info')
      expect([role, warnings.length <= CALM.lines, programs[role].stderr()]).toEqual([role, true, expect.any(String)])
      expect(await metric(`http://127.0.0.1:${ports[role]}`, 'sentinel_broker_ready')).toBe(0)
    }
  })

  it('go to work when it comes, and what was measured meanwhile is not lost', async () => {
    expect(await metric(`http://127.0.0.1:${ports.agent}`, 'sentinel_outbox_samples')).toBeGreaterThan(50)
    await redis.start()
    await api.firstHost()
    for (const role of roles) await until(`${role} is ready`, () => isReady(ports[role]))
    const agent = `http://127.0.0.1:${ports.agent}`
    await until('the agent holds nothing', async () => (await metric(agent, 'sentinel_outbox_samples')) === 0)
    expect(await metric(agent, 'sentinel_unsent_samples_total')).toBe(0)
    const server = `http://127.0.0.1:${ports.server}`
    await until('the wire balances', async () => {
      const figures = await Promise.all([
        ...[agent, `http://127.0.0.1:${ports.api}`].map((url) => metric(url, 'sentinel_sent_samples_total')),
        ...['received', 'own', 'duplicate', 'lost'].map((what) => metric(server, `sentinel_${what}_samples_total`)),
      ])
      const [fromAgent, fromApi, received, own, duplicates, lost] = figures as [
        ...[number, number, number, number, number, number],
      ]
      return lost === 0 && fromAgent + fromApi === received - own - duplicates
    })
  })

  it('wait again when it goes', async () => {
    await redis.halt('SIGKILL')
    await expectWaiting()
    const lines = roles.map((role) => programs[role].log().length)
    await sleep(CALM.ms)
    const said = roles.map((role, i) => programs[role].log().length - lines[i]!)
    // An INFO line or two of another kind may fall into the time.
    expect(Math.max(...said)).toBeLessThanOrEqual(CALM.lines)
  })

  it('end well at SIGTERM without it, before the deadline is near', async () => {
    for (const role of roles) programs[role].signal('SIGTERM')
    for (const role of roles) {
      expect([role, await programs[role].ended]).toEqual([role, 0])
      expect(programs[role].log().filter(({ level }) => level === 'fatal')).toEqual([])
    }
    const { agent_produced, agent_sent, agent_dropped, agent_held } = summaryOf(programs.agent)
    // What it could not send is on disk for the next start.
    expect(Number(agent_sent) + Number(agent_held)).toBe(agent_produced)
    expect(agent_dropped).toBe(0)
    expect(summaryOf(programs.server)).toMatchObject({ dropped: 0, lost: 0 })
  })
})

describe.concurrent('a server whose InfluxDB is away', () => {
  async function startWithout(
    deadline = '10s',
    dataPath?: string,
  ): Promise<{
    redis: TestServer
    influx: TestServer
    server: Program
    adminPort: number
    publish(messages: number): Promise<void>
    end(): Promise<void>
  }> {
    const [redis, influx, adminPort] = await Promise.all([startRedis(), startInflux(), freePort()])
    await influx.halt()
    const server = startProgram('server', {
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url },
      args: [
        `--admin-port=${adminPort}`,
        `--stop-deadline-ms=${deadline}`,
        ...(dataPath === undefined ? [] : [`--data-path=${dataPath}`]),
      ],
    })
    await server.logged('started')
    return {
      ...{ redis, influx, server, adminPort },
      async publish(messages) {
        const now = Date.now()
        const all = Array.from({ length: messages }, (_, i) => json(i, 50, now))
        await publishRaw(redis.port, 'metrics', all)
        const admin = `http://127.0.0.1:${adminPort}`
        await until('they are held', async () => (await metric(admin, 'sentinel_held_samples')) >= messages)
      },
      async end() {
        await Promise.all([redis.stop(), influx.stop()])
      },
    }
  }

  it('says so, holds what comes, and writes it when InfluxDB comes', async () => {
    const { influx, server, adminPort, publish, end } = await startWithout()
    await publish(1000)
    await until('it says why it is not ready', async () => {
      const { status, reasons } = await readiness(adminPort)
      return (
        status === 503 && reasons.some((reason) => reason.startsWith(`InfluxDB at ${influx.url} cannot be reached`))
      )
    })
    await sleep(CALM.ms)
    expect(server.log().filter(({ level }) => level !== 'info').length).toBeLessThanOrEqual(CALM.lines)
    await influx.start()
    const stored = (): Promise<number> => influxCount(influx.url, 'telemetry', 'system_stats', 'cpu')
    await until('all are stored', async () => (await stored()) === 1000)
    await until('it is ready', () => isReady(adminPort))
    expect(await server.stop()).toBe(0)
    expect(summaryOf(server)).toMatchObject({ rejected: 0, dropped: 0 })
    await end()
  })

  it('keeps on disk, at the end, what it could not save', async () => {
    const { server, publish, end } = await startWithout('2s')
    await publish(100)
    expect(await server.stop()).toBe(0)
    const { received, spooled, written, dropped } = summaryOf(server)
    expect([written, dropped]).toEqual([0, 0])
    expect(spooled).toBe(received)
    await end()
  })

  it('counts as dropped what the disk does not take either', async () => {
    const { server, publish, end } = await startWithout('2s', '/dev/null/nowhere')
    await publish(100)
    expect(await server.stop()).toBe(1)
    const { received, spooled, dropped } = summaryOf(server)
    expect([spooled, dropped]).toEqual([0, received])
    await end()
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at once at a second %s', async (signal, code) => {
    // A store that never answers is waited for, where one that is known to be away is not.
    const [redis, silent] = await Promise.all([startRedis(), startSilentServer()])
    const server = startProgram('server', {
      env: { REDIS_URL: redis.url, INFLUX_URL: `http://${silent.address}` },
      args: ['--admin-port=0', '--stop-deadline-ms=60s'],
    })
    await server.logged('started')
    await publishRaw(redis.port, 'metrics', [json(1, 50, Date.now())])
    await until('it writes', () => silent.connections > 0)
    server.signal(signal)
    await server.logged('stopping; a second signal ends at once')
    server.signal(signal)
    expect(await server.ended).toBe(code)
    await Promise.all([redis.stop(), silent.stop()])
  })
})

describe.concurrent('a signal while a program starts', () => {
  /** What it said that is more than information: of a start that was cut off there is nothing to say. */
  const complaints = (program: Program): Array<Record<string, unknown>> =>
    program.log().filter(({ level }) => level !== 'info')

  it.each(['agent', 'server', 'api', 'queue'])('ends the %s well, though Redis never answers', async (role) => {
    const silent = await startSilentServer()
    const program = startProgram(role, {
      env: { REDIS_URL: `redis://${silent.address}` },
      args: [
        '--admin-port=0',
        '--stop-deadline-ms=10s',
        ...(role === 'api' || role === 'queue' ? [`--${role}-port=0`] : []),
      ],
    })
    await until('it waits for Redis', () => silent.connections > 0)
    expect(await program.stop()).toBe(0)
    expect(complaints(program)).toEqual([])
    await silent.stop()
  })

  it.each(['agent', 'server', 'api', 'up', 'generator', 'queue'])(
    'ends %s well, though it has hardly begun',
    async (role) => {
      const folder = await mkdtemp(join(tmpdir(), 'sentinel-start-'))
      const silent = await startSilentServer()
      const program = startProgram('sentinel', {
        cwd: folder,
        env: role === 'up' ? {} : { REDIS_URL: `redis://${silent.address}` },
        args: [
          ...[role, '--admin-port=0'],
          ...(role === 'api' || role === 'up' ? ['--api-port=0'] : []),
          ...(role === 'generator' ? ['--port=0'] : []),
          ...(role === 'queue' ? ['--queue-port=0'] : []),
        ],
      })
      await program.logged('admin listener')
      const code = await program.stop()
      // On a busy machine it may take over a second to load the rest of the program, and that is said: nothing can cut it off.
      const isLoading = complaints(program).some(({ msg }) => `${msg}`.startsWith('stopped, but'))
      expect(complaints(program).filter(({ msg }) => !`${msg}`.startsWith('stopped, but'))).toEqual([])
      // Modules are loaded in threads, and an older Node.js whose threads are busy for long can only be killed (`exitNow`).
      const mayBeKilled = isLoading && !('execve' in process)
      expect([0, ...(mayBeKilled ? ['SIGKILL'] : [])]).toContain(code)
      await silent.stop()
      await rm(folder, { recursive: true, force: true })
    },
  )
})
