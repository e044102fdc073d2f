import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { ApiClient, metric } from '../support/api.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, startRedisCluster, type TestServer, until } from '../support/servers.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const ROLES = ['agent', 'server', 'api'] as const
type Role = (typeof ROLES)[number]

interface Running {
  readonly program: Program
  readonly adminPort: number
}

const running: Program[] = []

afterEach(async () => {
  for (const program of running.splice(0)) {
    program.signal('SIGKILL')
    await program.ended
  }
})

async function start(role: Role, env: Readonly<Record<string, string>>, ...args: string[]): Promise<Running> {
  const adminPort = await freePort()
  const program = startProgram(role, { env, args: [`--admin-port=${adminPort}`, ...args] })
  running.push(program)
  return { program, adminPort }
}

/** What keeps it from its work; empty when it is ready. */
async function reasonsOf({ adminPort }: Running): Promise<readonly string[]> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/ready`).catch(() => undefined)
  if (response === undefined) return ['not started yet']
  const { reasons } = (await response.json()) as { reasons: string[] }
  return response.status === 200 ? [] : reasons
}

async function untilReady(role: Running): Promise<void> {
  await until('it is ready', async () => (await reasonsOf(role)).length === 0)
}

async function untilReason(role: Running, text: string): Promise<void> {
  await until(`/ready says ${text}`, async () => (await reasonsOf(role)).some((reason) => reason.includes(text)))
}

function figure({ adminPort }: Running, name: string): Promise<number> {
  return metric(`http://127.0.0.1:${adminPort}`, name)
}

async function untilMore(role: Running, name: string): Promise<void> {
  const before = await figure(role, name)
  await until(`more ${name}`, async () => (await figure(role, name)) > before)
}

/** What the doctor says of the broker. */
async function doctor(role: Role, env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
  const adminPort = await freePort()
  const { stdout, stderr } = await run('sentinel', {
    env,
    args: ['doctor', role, `--admin-port=${adminPort}`, ...args],
  })
  return stdout.split('\n').find((line) => line.slice(5).startsWith('broker:')) ?? stderr
}

async function servers(): Promise<{ redis: TestServer; influx: TestServer; admin: Redis }> {
  const [redis, influx] = await Promise.all([startRedis(), startInflux()])
  const admin = new Redis(redis.port)
  onTestFinished(async () => {
    admin.disconnect()
    await Promise.all([redis.stop(), influx.stop()])
  })
  return { redis, influx, admin }
}

/** The command of docs/redis.md that gives a role its rights. */
function documentedUser(kind: string, role: Role): string[] {
  const sections = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8').split(/^Over /m)
  const section = sections.find((text) => text.startsWith(kind === 'pubsub' ? 'Pub/Sub' : 'Streams'))!
  return new RegExp(`^ACL SETUSER (${role} .*)$`, 'm').exec(section)![1]!.split(' ')
}

describe.each(['pubsub', 'streams'])('over %s', (kind) => {
  const broker = `--broker-kind=${kind}`

  it('each role works with exactly the rights that docs/redis.md lists', async () => {
    const { redis, influx, admin } = await servers()
    for (const role of ROLES) await admin.acl('SETUSER', ...(documentedUser(kind, role) as [string]))
    await admin.acl('SETUSER', 'default', 'off')
    const envOf = (role: Role): Record<string, string> => ({
      REDIS_URL: `redis://${role}:secret@127.0.0.1:${redis.port}`,
      INFLUX_URL: influx.url,
    })
    const apiPort = await freePort()
    const server = await start('server', envOf('server'), broker)
    const api = await start('api', envOf('api'), broker, `--api-port=${apiPort}`)
    const agent = await start('agent', envOf('agent'), broker)
    for (const role of [server, api, agent]) await untilReady(role)
    await untilMore(server, 'sentinel_written_samples_total')
    await new ApiClient(apiPort).firstHost()
    for (const role of ROLES)
      expect([role, await doctor(role, envOf(role), broker)]).toEqual([role, expect.stringMatching(/^ok /)])
    for (const { program } of [agent, api, server]) expect(await program.stop()).toBe(0)
    expect(await admin.acl('LOG')).toEqual([])
  })

  it('agent, server and page follow a failover to the new master, and settle what was under way', async () => {
    const { redis, influx, admin } = await servers()
    const replica = await startRedis()
    const replicaAdmin = new Redis(replica.port)
    const proxy = await startTcpProxy(redis.port)
    onTestFinished(async () => {
      replicaAdmin.disconnect()
      await Promise.all([replica.stop(), proxy.stop()])
    })
    await replicaAdmin.replicaof('127.0.0.1', redis.port)
    await until('the replica follows', async () =>
      (await replicaAdmin.info('replication')).includes('master_link_status:up'),
    )
    const env = { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, INFLUX_URL: influx.url }
    const apiPort = await freePort()
    const server = await start('server', env, broker)
    const api = await start('api', env, broker, `--api-port=${apiPort}`)
    const agent = await start('agent', env, broker)
    for (const role of [server, api, agent]) await untilReady(role)
    await untilMore(server, 'sentinel_written_samples_total')

    // The master lives on as a replica, and keeps every connection open. The address leads to the new one later.
    await replicaAdmin.replicaof('NO', 'ONE')
    await admin.replicaof('127.0.0.1', replica.port)
    for (const role of [server, api, agent]) await untilReason(role, 'is a replica, which takes no writes')
    proxy.leadTo(replica.port)
    for (const role of [server, api, agent]) await untilReady(role)
    await untilMore(agent, 'sentinel_sent_samples_total')
    await untilMore(server, 'sentinel_written_samples_total')
    await until('the agent holds little', async () => (await figure(agent, 'sentinel_outbox_samples')) < 100)
    await new ApiClient(apiPort).firstHost()
    expect(await figure(agent, 'sentinel_unsent_samples_total')).toBe(0)
    for (const { program } of [agent, api]) expect(await program.stop()).toBe(0)
    if (kind === 'streams') {
      const pending = async (partition: number): Promise<number> =>
        Number((await replicaAdmin.xpending(`queue:{telemetry:${partition}}`, 'sentinel'))[0])
      await until('nothing is unacked', async () =>
        (await Promise.all([0, 1, 2, 3].map(pending))).every((count) => count === 0),
      )
    }
    expect(await server.program.stop()).toBe(0)
  })
})

it('a node of a cluster ends every role at its start, with words, and the doctor fails', async () => {
  const nodes = await startRedisCluster()
  onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.stop()))))
  const words = 'is a node of a Redis Cluster, which is not supported'
  const envOf = (node: number): Record<string, string> => ({
    REDIS_URL: nodes[node]!.url,
    INFLUX_URL: 'http://127.0.0.1:9',
  })
  for (const [i, role] of ROLES.entries()) {
    const broker = `--broker-kind=${i === 1 ? 'streams' : 'pubsub'}`
    const { code, stderr } = await run(role, { env: envOf(i), args: [broker, '--admin-port=0'] })
    expect([role, code, stderr]).toEqual([role, 78, expect.stringContaining(words)])
  }
  expect(await doctor('server', envOf(1))).toMatch(/^FAIL broker: Redis at .* is a node of a Redis Cluster/)
})

describe('a right that is missing', () => {
  it('to ack: the server stores, is not ready, names the right, and acks all when it is given', async () => {
    const { redis, influx, admin } = await servers()
    await admin.acl('SETUSER', ...(documentedUser('streams', 'server') as [string]), '-xack')
    const env = { REDIS_URL: `redis://server:secret@127.0.0.1:${redis.port}`, INFLUX_URL: influx.url }
    const server = await start('server', env, '--broker-kind=streams')
    await start('agent', { REDIS_URL: redis.url }, '--broker-kind=streams')
    await untilReason(server, 'the user server lacks rights: ACL SETUSER server +xack;')
    await untilMore(server, 'sentinel_written_samples_total')
    expect(await doctor('server', env, '--broker-kind=streams')).toMatch(/^FAIL .* ACL SETUSER server \+xack;/)
    await admin.acl('SETUSER', 'server', '+xack')
    await untilReady(server)
    expect(server.program.log().filter(({ msg }) => String(msg).includes('lacks rights'))).toHaveLength(1)
  })

  it('to the channel: the agent keeps its samples, is not ready, and sends them when it is given', async () => {
    const { redis, influx, admin } = await servers()
    await admin.acl('SETUSER', ...(documentedUser('pubsub', 'agent') as [string]), 'resetchannels')
    const env = { REDIS_URL: `redis://agent:secret@127.0.0.1:${redis.port}` }
    const server = await start('server', { REDIS_URL: redis.url, INFLUX_URL: influx.url })
    const agent = await start('agent', env)
    await untilReason(agent, 'the user agent lacks rights: ACL SETUSER agent &metrics;')
    expect(await doctor('agent', env)).toMatch(/^FAIL .* ACL SETUSER agent &metrics;/)
    await untilMore(agent, 'sentinel_outbox_samples')
    await admin.acl('SETUSER', 'agent', '&metrics')
    await untilReady(agent)
    await untilMore(server, 'sentinel_written_samples_total')
    expect(await figure(agent, 'sentinel_unsent_samples_total')).toBe(0)
  })
})
