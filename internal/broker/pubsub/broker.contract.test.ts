import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { describeBroker, receiver, texts } from '../broker.contract.ts'
import { describeSnapshots } from '../snapshots.contract.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

describeBroker({
  name: 'pubsub',
  whilePaused: 'no subscriber',
  keepsUnacked: false,
  reportsNoSubscriber: true,
  open: () => scene.open('pubsub'),
  empty: () => scene.empty(),
})

describeSnapshots({ name: 'pubsub', open: () => scene.open('pubsub'), empty: () => scene.empty() })

describe('PubSubBroker', () => {
  it('spreads keys over channels, each consumed by one server', async () => {
    await scene.empty()
    const [first, second] = [receiver(), receiver()]
    const a = await scene.open('pubsub', { partitions: 3, consumes: [0, 2] })
    const b = await scene.open('pubsub', { partitions: 3, consumes: [1] })
    await a.subscribe(first.handler)
    await b.subscribe(second.handler)
    for (let i = 0; i < 60; i++) expect(await a.publish(`key-${i}`, Buffer.from(`${i}`))).toBe(1)
    await until('all have arrived', () => first.payloads.length + second.payloads.length === 60)
    expect(first.payloads.length).toBeGreaterThan(second.payloads.length)
    const c = await scene.open('pubsub', { partitions: 3, consumes: [3] })
    await expect(c.subscribe(() => {})).rejects.toThrow('no partition 3')
  })

  it('receives what any client publishes on the channel metrics', async () => {
    const broker = await scene.open('pubsub')
    const received = receiver()
    await broker.subscribe(received.handler)
    expect(await scene.admin.publish('metrics', '{"timestamp":1}')).toBe(1)
    await until('it has arrived', () => received.payloads.length === 1)
    expect(texts(received)).toEqual(['{"timestamp":1}'])
  })
})
