import { readFileSync } from 'node:fs'
import { type Logger, pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { openGateway } from '../../../test/support/queue-scene.ts'
import { receiver, texts } from '../broker.contract.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import type { Gateway } from '../../queue/gateway.ts'
import type { Broker, BrokerHealth, BrokerUse } from '../broker.ts'
import type { RedisOptions } from './client.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

const gateways: Gateway[] = []

afterEach(async () => {
  await scene.closeBrokers()
  for (const gateway of gateways.splice(0)) await gateway.close()
})

afterAll(() => scene.stop())

type Kind = 'pubsub' | 'streams'

const USES: Readonly<Record<string, readonly BrokerUse[]>> = {
  agent: ['publish'],
  server: ['consume', 'announce'],
  api: ['publish', 'watch', 'snapshot', 'look'],
  fabric: ['publish', 'snapshot'],
}

/** The rights of each role in docs/redis.md. */
const DOCUMENTED = readFileSync(new URL('../../../docs/redis.md', import.meta.url), 'utf8')
  .split(/^Over /m)
  .slice(1)
  .flatMap((section, i) =>
    [...section.matchAll(/^ACL SETUSER (\w+) on >secret (.*)$/gm)].map(([, role, rights]) => ({
      kind: (['pubsub', 'streams'] as const)[i]!,
      role: role!,
      rights: rights!.split(' '),
    })),
  )

/** Without them a process works, and finds out less. */
const OPTIONAL = [
  '+client|setname',
  '+client|list',
  '+config|get',
  '+info',
  '+multi',
  '+discard',
  '+unsubscribe',
  'resetchannels',
]

function rightsOf(kind: Kind, role: string): readonly string[] {
  return DOCUMENTED.find((each) => each.kind === kind && each.role === role)!.rights
}

async function setRights(rights: readonly string[]): Promise<void> {
  await scene.admin.acl('SETUSER', 'tester', 'reset', 'on', '>secret', ...rights)
}

interface Opened {
  health(): BrokerHealth
  readonly logged: string[]
}

/** What a role opens, as the user `tester`, with what it logs. */
async function openAs(kind: Kind, role: string): Promise<Opened> {
  return role === 'queue' ? openQueue() : open(kind, role)
}

async function openQueue(): Promise<Opened> {
  const { logger, logged } = noting()
  const gateway = await openGateway({ redis: tester(), logger, throttle: new LogThrottle(logger) })
  gateways.push(gateway)
  return {
    logged,
    health: () => ({ connected: gateway.redisProblem === '', problem: gateway.redisProblem }),
  }
}

/** A broker of the user `tester`, with what it logs. */
async function open(kind: Kind, role: string): Promise<Broker & { readonly logged: string[] }> {
  const { logger, logged } = noting()
  const broker = await scene.open(kind, { redis: tester(), logger, uses: USES[role]! })
  return Object.assign(broker, { logged })
}

function tester(): RedisOptions {
  return { url: `redis://tester:secret@127.0.0.1:${scene.server.port}`, pingIntervalMs: 200 }
}

function noting(): { readonly logger: Logger; readonly logged: string[] } {
  const logged: string[] = []
  const logger = pino({ level: 'info' }, { write: (line) => logged.push((JSON.parse(line) as { msg: string }).msg) })
  return { logger, logged }
}

describe.each(DOCUMENTED)('the rights of docs/redis.md for $role over $kind', ({ kind, role, rights }) => {
  it('are enough for all that a new connection tries, and leave nothing behind', async () => {
    await scene.empty()
    await setRights(rights)
    await scene.admin.acl('LOG', 'RESET')
    const broker = await openAs(kind, role)
    expect(broker.health()).toEqual({ connected: true, problem: '' })
    expect(await scene.admin.acl('LOG')).toEqual([])
    // A gateway says each second how it stands.
    expect((await scene.admin.keys('*')).filter((key) => key !== 'queue:gateways')).toEqual([])
  })

  it.each(rights.filter((right) => !OPTIONAL.includes(right)))('are named where %s is missing', async (missing) => {
    await setRights(rights.filter((right) => right !== missing))
    const broker = await openAs(kind, role)
    const { connected, problem } = broker.health()
    expect(connected).toBe(false)
    if (missing === '+ping') expect(problem).toMatch(/NOPERM.*'ping' command: give the user this permission/)
    else expect(problem).toContain('lacks rights: ACL SETUSER tester ')
    // Redis names the subcommand, and a pattern stands for its keys.
    if (missing !== '+ping') expect(problem).toContain(missing.replace('*', ''))
    await until('it is logged', () => broker.logged.length > 0)
    expect(broker.logged).toEqual([problem])
  })
})

describe('a right that is lost and given again', () => {
  it('to ack: what was unacked is acked afterwards', async () => {
    await scene.empty()
    await setRights(rightsOf('streams', 'server'))
    const server = await open('streams', 'server')
    const received = receiver()
    const subscription = await server.subscribe(received.handler)
    await scene.admin.acl('SETUSER', 'tester', '-xack')
    const agent = await scene.open('streams')
    for (const text of ['1', '2']) await agent.publish('key', Buffer.from(text))
    await until('they have arrived', () => received.payloads.length === 2)
    subscription.ack(2)
    await until('it is found out', () => !server.health().connected)
    expect(server.health().problem).toMatch(/ lacks rights: ACL SETUSER tester \+xack; docs\/redis.md lists/)
    await until('it was refused again', async () => (await scene.calls('xack')) >= 0 && server.logged.length > 0)

    await scene.admin.acl('SETUSER', 'tester', '+xack')
    await until('nothing is refused', () => server.health().connected)
    await until('nothing is unacked', async () => (await scene.pending()).length === 0)
    expect(server.logged.filter((line) => line.includes('lacks rights'))).toHaveLength(1)
    expect(server.logged.filter((line) => line.includes('refuses nothing any more'))).toHaveLength(1)
  })

  it.each(['xreadgroup', 'eval', 'xpending', 'xgroup|create'])('to read, by %s: reading goes on', async (command) => {
    await scene.empty()
    await setRights([...rightsOf('streams', 'server')])
    await scene.admin.acl('SETUSER', 'tester', `-${command}`)
    const server = await open('streams', 'server')
    const received = receiver()
    const subscribed = server.subscribe(received.handler)
    const agent = await scene.open('streams')
    await agent.publish('key', Buffer.from('x'))
    await until('it is found out', () => server.health().problem.includes(command))
    const lines = server.logged.length
    await until('it was refused again', async () => (await denials(command.split('|')[0]!)) > 3)
    expect(server.logged.length).toBeLessThan(lines + 5)
    await scene.admin.acl('SETUSER', 'tester', `+${command}`)
    await subscribed
    await until('it has arrived', () => texts(received).includes('x'))
    await until('nothing is refused', () => server.health().connected)
  })

  it('to a channel: the publisher keeps its messages, and the subscriber hears again', async () => {
    await scene.empty()
    await setRights([...rightsOf('pubsub', 'server'), '+publish'])
    const [agent, server] = [await open('pubsub', 'agent'), await open('pubsub', 'server')]
    const received = receiver()
    await server.subscribe(received.handler)
    expect(await agent.publish('key', Buffer.from('before'))).toBe(1)
    // Redis ends the connections of subscribers that lose a channel.
    await scene.admin.acl('SETUSER', 'tester', 'resetchannels', '&live')
    await expect(agent.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
    expect(agent.health().problem).toMatch(/ lacks rights: ACL SETUSER tester &metrics;/)
    await until('the subscriber knows', () => !server.health().connected)
    await scene.admin.acl('SETUSER', 'tester', '&metrics')
    await until('it is taken', async () => (await agent.publish('key', Buffer.from('after')).catch(() => 0)) === 1)
    await until('it has arrived', () => texts(received).includes('after'))
    expect(agent.health()).toEqual({ connected: true, problem: '' })
  })

  it('to its keys: said at once, and again without a restart', async () => {
    await setRights(rightsOf('streams', 'agent').filter((right) => right !== '~queue:*'))
    const agent = await open('streams', 'agent')
    expect(agent.health().problem).toContain('ACL SETUSER tester ~queue:{telemetry:0} ~queue:{telemetry:1}')
    await expect(agent.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
    await scene.admin.acl('SETUSER', 'tester', '~queue:*')
    await until('nothing is refused', () => agent.health().connected)
    expect(await agent.publish('key', Buffer.from('x'))).toBe(1)
  })
})

describe.each(['pubsub', 'streams'] as const)('a user of %s', (kind) => {
  it('that is switched off, or gets another password, is let in again without a restart', async () => {
    await setRights(rightsOf(kind, 'agent'))
    const agent = await open(kind, 'agent')
    for (const [lost, given] of [
      ['off', 'on'],
      ['resetpass', '>secret'],
    ] as const) {
      await scene.admin.acl('SETUSER', 'tester', lost)
      await scene.admin.client('KILL', 'USER', 'tester')
      await until('it is refused', () => agent.health().problem.includes('refuses the user or the password'))
      await scene.admin.acl('SETUSER', 'tester', given)
      await until('it is connected again', () => agent.health().connected)
    }
  })

  it('that may not select its database does nothing in another one', async () => {
    await scene.empty()
    await setRights(rightsOf(kind, 'agent'))
    const url = (database: number): string => `redis://tester:secret@127.0.0.1:${scene.server.port}/${database}`
    const agent = await scene.open(kind, { redis: { url: url(1) } })
    expect(agent.health().problem).toMatch(/NOPERM.*'select' command: give the user this permission/)
    await expect(agent.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
    await scene.admin.acl('SETUSER', 'tester', '+select')
    await until('it is connected', () => agent.health().connected)
    await agent.publish('key', Buffer.from('x'))
    expect(await scene.admin.dbsize()).toBe(0)
    const beyond = await scene.open(kind, { redis: { url: url(99) } })
    expect(beyond.health()).toEqual({ connected: false, problem: expect.stringContaining('DB index is out of range') })
  })

  it('without a name is told what is missing when the default user is off', async () => {
    const own = await scene.open(kind, { uses: ['publish'] })
    await scene.admin.acl('SETUSER', 'default', 'off')
    try {
      await scene.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await until('it is refused', () => own.health().problem.includes('put the password into REDIS_URL'))
    } finally {
      await scene.admin.acl('SETUSER', 'default', 'on')
    }
    await until('it is connected again', () => own.health().connected)
  })
})

/** How often Redis has refused a command since its start, for want of a right. */
async function denials(command: string): Promise<number> {
  const stats = await scene.admin.info('commandstats')
  const rejected = [...stats.matchAll(/^cmdstat_([^:]+):.*rejected_calls=(\d+)/gm)]
  return rejected.filter(([, name]) => name!.startsWith(command)).reduce((sum, [, , count]) => sum + Number(count), 0)
}
