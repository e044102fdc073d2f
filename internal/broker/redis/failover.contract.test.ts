import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { startRedis, type TestServer, until } from '../../../test/support/servers.ts'
import { startTcpProxy, type TcpProxy } from '../../../test/support/tcp-proxy.ts'
import { receiver, texts } from '../broker.contract.ts'
import type { Broker } from '../broker.ts'

/** A master, a replica, and an address that leads new connections to one of them. */
let scene: RedisScene
let other: TestServer
let otherAdmin: Redis
let proxy: TcpProxy

beforeAll(async () => {
  scene = await startRedisScene()
  other = await startRedis()
  otherAdmin = new Redis(other.port)
})

afterEach(async () => {
  await scene.closeBrokers()
  await proxy.stop()
})

afterAll(async () => {
  otherAdmin.disconnect()
  await Promise.all([scene.stop(), other.stop()])
})

/** The first server is the master, and the address leads there. */
async function arrange(): Promise<void> {
  proxy = await startTcpProxy(scene.server.port)
  await scene.admin.replicaof('NO', 'ONE')
  await scene.empty()
  await otherAdmin.replicaof('127.0.0.1', scene.server.port)
  await until('the replica follows', async () =>
    (await otherAdmin.info('replication')).includes('master_link_status:up'),
  )
}

function open(kind: 'pubsub' | 'streams', uses: 'agent' | 'server'): Promise<Broker> {
  const redis = { url: `redis://127.0.0.1:${proxy.port}`, pingIntervalMs: 1000 }
  return scene.open(kind, { redis, uses: uses === 'agent' ? ['publish'] : ['consume', 'announce'] })
}

/** The replica becomes the master, and the master lives on as its replica: open connections stay open. */
async function failOver(): Promise<void> {
  await otherAdmin.replicaof('NO', 'ONE')
  proxy.leadTo(other.port)
  await scene.admin.replicaof('127.0.0.1', other.port)
}

/** As our publishers do: what no server took is sent again. */
async function publishUntilTaken(broker: Broker, text: string): Promise<void> {
  const send = (): Promise<number> => broker.publish('key', Buffer.from(text))
  await until(`${text} is taken`, async () => (await send().catch(() => 0)) > 0)
}

/** The names of our connections to a server. */
async function connectionsTo(admin: Redis): Promise<string[]> {
  const list = (await admin.client('LIST')) as string
  return [...list.matchAll(/ name=sentinel:(\S+)/g)].map(([, name]) => name!)
}

describe('a master that becomes a replica and lives on', () => {
  it('is left by publisher, reader and acks of streams, and what was unacked is settled', async () => {
    await arrange()
    const [agent, server] = [await open('streams', 'agent'), await open('streams', 'server')]
    const received = receiver()
    const subscription = await server.subscribe(received.handler)
    await server.live.subscribe(() => {})
    for (const text of ['1', '2', '3']) await agent.publish('key', Buffer.from(text))
    await until('they have arrived', () => received.payloads.length === 3)
    await scene.admin.wait(1, 5000)

    await failOver()
    subscription.ack(3)
    await publishUntilTaken(agent, '4')
    await until('the fourth has arrived', () => texts(received).includes('4'))
    subscription.ack(received.ids.at(-1)!)
    await until('nothing is unacked', async () => (await pendingOn(otherAdmin)) === 0)
    await until('no connection is left', async () => (await connectionsTo(scene.admin)).length === 0)
    expect([...new Set(texts(received))]).toEqual(['1', '2', '3', '4'])
    await until('all are connected', () => agent.health().connected && server.health().connected)
  })

  it.each([
    ['by itself', async () => {}],
    [
      'when only the connections for commands are cut',
      async () => void (await scene.admin.client('KILL', 'TYPE', 'normal')),
    ],
  ])('is left by publisher, subscriber, live feed and checkpoints of pubsub %s', async (_how, cut) => {
    await arrange()
    const [agent, server] = [await open('pubsub', 'agent'), await open('pubsub', 'server')]
    const received = receiver()
    await server.subscribe(received.handler)
    const live: string[] = []
    await agent.live.subscribe((payload) => live.push(payload.toString()))
    expect(await agent.publish('key', Buffer.from('before'))).toBe(1)

    await failOver()
    await cut()
    await until('the subscribers are there', async () => {
      const [, metrics, , feed] = (await otherAdmin.pubsub('NUMSUB', 'metrics', 'live')) as [
        string,
        number,
        string,
        number,
      ]
      return metrics === 1 && feed === 1
    })
    await publishUntilTaken(agent, 'after')
    await until('it has arrived', () => texts(received).includes('after'))
    await until('the live feed is heard', () => {
      server.live.publish(Buffer.from('live'), [])
      return live.includes('live')
    })
    await until('a checkpoint is saved', async () => {
      await server.checkpoints!.save(new Map([['run', 'here']])).catch(() => {})
      return (await otherAdmin.hget('sentinel:sources', 'run')) === 'here'
    })
    await until('no connection is left', async () => (await connectionsTo(scene.admin)).length === 0)
  })

  it('is said while no master can be reached, and is used again when it is one', async () => {
    await arrange()
    for (const kind of ['pubsub', 'streams'] as const) {
      const broker = await open(kind, 'agent')
      await scene.admin.replicaof('127.0.0.1', other.port)
      await until('it is found out', () => !broker.health().connected)
      expect(broker.health().problem).toMatch(/^Redis at redis:\/\/127.0.0.1:\d+ is a replica, which takes no writes/)
      await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
      await scene.admin.replicaof('NO', 'ONE')
      await until('it is connected again', () => broker.health().connected)
    }
  })
})

/** The number of entries that are read and not acked, over all partitions. */
async function pendingOn(admin: Redis): Promise<number> {
  const pending = await Promise.all(
    [0, 1, 2, 3].map(async (partition) =>
      Number((await admin.xpending(`queue:{telemetry:${partition}}`, 'sentinel'))[0]),
    ),
  )
  return pending.reduce((sum, count) => sum + count, 0)
}
