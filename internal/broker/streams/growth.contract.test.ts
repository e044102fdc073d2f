import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { GROUP, type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { receiver, texts } from '../broker.contract.ts'
import { streamKey, TOPICS_KEY } from './names.ts'

let scene: RedisScene
beforeAll(async () => {
  scene = await startRedisScene()
})
afterEach(async () => {
  await scene.closeBrokers()
  await scene.empty()
})
afterAll(() => scene.stop())

const add = (partition: number, text: string): Promise<string | null> =>
  scene.admin.xadd(streamKey('telemetry', partition), '*', 'd', text, 'i', 'mark', 't', '1')

async function pendingOf(partition: number): Promise<number> {
  const [count] = (await scene.admin.xpending(streamKey('telemetry', partition), GROUP)) as [number]
  return count
}

it('a server reads partitions that a topic gets later, from their first entry, and acks them', async () => {
  const broker = await scene.open('streams', { partitions: 2, backlogIntervalMs: 100 })
  const received = receiver()
  const subscription = await broker.subscribe(received.handler)
  await add(0, 'a')
  await until('the first has come', () => received.payloads.length === 1)
  for (const partition of [2, 3, 3]) await add(partition, `early ${partition}`)
  await scene.admin.hset(TOPICS_KEY, 'telemetry', 4, 'other', 9)
  await until('what was there has come', () => received.payloads.length === 4)
  await add(3, 'late 3')
  await add(1, 'b')
  await until('all have come', () => received.payloads.length === 6)
  expect(texts(received).toSorted()).toEqual(['a', 'b', 'early 2', 'early 3', 'early 3', 'late 3'])
  expect(await pendingOf(3)).toBe(3)
  subscription.ack(6)
  await until('none is pending', async () => (await pendingOf(0)) + (await pendingOf(2)) + (await pendingOf(3)) === 0)
  await until('the backlog has them', () => broker.backlog?.length === 4)
  expect(await scene.admin.exists(streamKey('telemetry', 4))).toBe(0)
})

it('a server takes over from another one what that left unacked in a partition that came later', async () => {
  await scene.admin.hset(TOPICS_KEY, 'telemetry', 3)
  const first = await scene.open('streams', { partitions: 2, backlogIntervalMs: 100 })
  const before = receiver()
  await first.subscribe(before.handler)
  await add(2, 'x')
  await until('it has come', () => before.payloads.length === 1)
  await scene.closeBrokers()
  const second = await scene.open('streams', { partitions: 2, backlogIntervalMs: 100 })
  const after = receiver()
  await second.subscribe(after.handler)
  await until('it has come again', () => after.payloads.length === 1)
  expect(texts(after)).toEqual(['x'])
})

it('a server whose user may not see how many there are reads those of its settings', async () => {
  await scene.admin.hset(TOPICS_KEY, 'telemetry', 3)
  await scene.admin.acl('SETUSER', 'narrow', 'reset', 'on', '>secret', '~queue:{*', '&*', '+@all')
  const redis = { url: `redis://narrow:secret@127.0.0.1:${scene.server.port}` }
  const broker = await scene.open('streams', { partitions: 2, backlogIntervalMs: 100, redis })
  const received = receiver()
  await broker.subscribe(received.handler)
  await add(1, 'x')
  await until('it has come', () => received.payloads.length === 1)
  await until('the backlog is read', () => broker.backlog?.length === 2)
  expect(broker.health()).toEqual({ connected: true, problem: '' })
})
