import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type QueueScene, startQueueScene } from '../../test/support/queue-scene.ts'
import { type RedisScene, startRedisScene } from '../../test/support/redis-brokers.ts'
import { until } from '../../test/support/servers.ts'
import { receiver, texts } from '../broker/broker.contract.ts'
import type { Broker } from '../broker/broker.ts'

let scene: RedisScene
let queue: QueueScene
beforeAll(async () => {
  scene = await startRedisScene()
  queue = await startQueueScene()
})
afterEach(async () => {
  await scene.closeBrokers()
  await queue.closeGateways()
})
afterAll(() => Promise.all([scene.stop(), queue.stop()]))

const MESSAGES = 200

/** A server that acks each message when it comes. */
async function server(redis: QueueScene): Promise<{ readonly broker: Broker; readonly seen: () => string[] }> {
  const broker = await scene.open('streams', { redis: { url: redis.server.url }, backlogIntervalMs: 50 })
  const received = receiver()
  const subscription = await broker.subscribe((payload, delivery) => {
    received.handler(payload, delivery)
    queueMicrotask(() => subscription.ack(delivery.id))
  })
  return { broker, seen: () => texts(received) }
}

it('servers count nothing as lost that a gateway trims, over restarts of theirs', async () => {
  const gateway = await queue.open({ topics: ['telemetry'], queueSize: () => 50 })
  const lengths = async (): Promise<number> => {
    const all = await Promise.all([0, 1, 2, 3].map((partition) => queue.admin.xlen(`queue:{telemetry:${partition}}`)))
    return all.reduce((sum, each) => sum + each, 0)
  }
  const seen: string[] = []
  let next = 0
  for (let round = 0; round < 3; round++) {
    const produce = async (): Promise<void> => {
      const { id } = await gateway.produce('telemetry', next % 4, '', Buffer.from(`${next++}`))
      expect(id).not.toBe('')
    }
    // Some come while no server is there, some beside one.
    for (let i = 0; i < MESSAGES / 2; i++) await produce()
    const { broker, seen: here } = await server(queue)
    for (let i = 0; i < MESSAGES / 2; i++) await produce()
    await until('all have come', () => here().length === MESSAGES)
    await until('all are trimmed', async () => (await lengths()) === 0)
    await until(
      'the backlog was read',
      () => broker.backlog?.every(({ lag, pending }) => lag === 0 && pending === 0) === true,
    )
    const { trimmedUnread, trimmedUnacked, streamsVanished, groupsRemade } = broker.stats
    expect({ trimmedUnread, trimmedUnacked, streamsVanished, groupsRemade }).toEqual({
      ...{ trimmedUnread: 0, trimmedUnacked: 0, streamsVanished: 0, groupsRemade: 0 },
    })
    seen.push(...here())
    await scene.closeBrokers()
  }
  expect(seen.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: next }, (_, i) => i))
})

it('servers count nothing as lost that a gateway trims, where Redis is killed before they look again', async () => {
  const own = await startQueueScene(['--appendonly', 'yes', '--appendfsync', 'always'])
  const positions = new Map<string, string>()
  const serve = async (
    backlogIntervalMs: number,
  ): Promise<{ readonly broker: Broker; readonly seen: () => string[] }> => {
    const broker = await scene.open('streams', { redis: { url: own.server.url }, backlogIntervalMs })
    const received = receiver()
    const subscription = await broker.subscribe(
      (payload, delivery) => {
        received.handler(payload, delivery)
        queueMicrotask(() => subscription.ack(delivery.id))
      },
      {
        positions: {
          load: async () => new Map(positions),
          save: async (changed) => void changed.forEach((text, key) => void positions.set(key, text)),
        },
      },
    )
    return { broker, seen: () => texts(received) }
  }
  const gateway = await own.open({ topics: ['telemetry'], queueSize: () => 50 })
  let produced = 0
  const produce = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await gateway.produce('telemetry', 0, '', Buffer.from(`${produced++}`))
  }
  const first = await serve(50)
  await produce(100)
  await until('the server has looked', () => [...positions.values()].some((text) => text.includes(' 100 ')))
  await scene.closeBrokers()
  const seldom = await serve(3_600_000)
  // It looks once more a second after its start, and then after an hour.
  const since = performance.now()
  await until('it has looked twice', () => performance.now() - since > 1500)
  await produce(200)
  await until('all have come', () => first.seen().length + seldom.seen().length === produced)
  await until('most are trimmed', async () => (await own.admin.xlen('queue:{telemetry:0}')) < 50)
  await own.server.halt('SIGKILL')
  await scene.closeBrokers()
  await own.server.start()
  const second = await serve(50)
  await produce(20)
  await until('all have come', () => second.seen().length >= 20)
  await until('it has looked', () => [...positions.values()].some((text) => text.includes(` ${produced} `)))
  const { trimmedUnread, trimmedUnacked, streamsVanished } = second.broker.stats
  expect({ trimmedUnread, trimmedUnacked, streamsVanished }).toEqual({
    ...{ trimmedUnread: 0, trimmedUnacked: 0, streamsVanished: 0 },
  })
  await scene.closeBrokers()
  await own.stop()
})
