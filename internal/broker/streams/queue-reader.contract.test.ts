import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { connect, type QueueScene, startQueueScene, untilReceived } from '../../../test/support/queue-scene.ts'
import { until } from '../../../test/support/servers.ts'
import type { PartitionState, QueueState } from '../queue-state.ts'
import { StreamsBroker } from './broker.ts'

// What others see of a queue that real gateways serve.

let scene: QueueScene
let broker: StreamsBroker
beforeAll(async () => {
  scene = await startQueueScene()
})
beforeEach(async () => {
  await scene.admin.flushall()
  broker = new StreamsBroker({
    ...{ redis: { url: scene.server.url }, logger: pino({ level: 'silent' }), consumer: 'api', uses: ['look'] },
    ...{ partitions: 2, maxLength: 5000 },
  })
  await broker.whenTried()
})
afterEach(async () => {
  await broker.close()
  await scene.closeGateways()
})
afterAll(() => scene.stop())

const look = (): Promise<QueueState> => broker.queue.look()
const find = ({ partitions }: QueueState, topic: string, partition: number): PartitionState | undefined =>
  partitions.find((each) => each.topic === topic && each.partition === partition)

it('is empty before anyone has used it: nothing is made by looking', async () => {
  const empty = { length: 0, firstAgeMs: 0, groups: [] }
  expect(await look()).toEqual({
    total: 2,
    partitions: [
      { topic: 'telemetry', partition: 0, ...empty },
      { topic: 'telemetry', partition: 1, ...empty },
    ],
    gateways: [],
  })
  expect(await scene.admin.dbsize()).toBe(0)
  expect(broker.queue.trimsAt).toBe(5000)
})

it('has what waits by partition and group, who reads it, and what the disk of a gateway has', async () => {
  const gateway = await scene.open({ name: 'gateway-a', queueSize: () => 10 })
  const consumer = await connect(gateway, 'events', 'mine', 1)
  const ids: string[] = []
  for (let i = 0; i < 13; i++) ids.push((await gateway.produce('events', 1, '', Buffer.from(`${i}`))).id)
  await untilReceived(consumer, 10)
  await scene.admin.xgroup('CREATE', 'queue:{events:1}', 'slow', '0')
  await until('the gateway has said what it has', async () => {
    const { gateways } = await look()
    return gateways[0]?.onDisk[0]?.messages === 3 && gateways[0].consumers.length === 1
  })
  const state = await look()
  expect(state.total).toBe(2 + 4)
  expect(state.gateways).toMatchObject([
    {
      ...{ name: 'gateway-a', problem: '', maxBytes: 64 * 2 ** 20 },
      onDisk: [{ topic: 'events', partition: 1, messages: 3 }],
      consumers: [{ topic: 'events', group: 'mine', partition: 1, count: 1 }],
    },
  ])
  const partition = find(state, 'events', 1)
  expect(partition).toMatchObject({ length: 10 })
  expect(partition!.groups).toMatchObject([
    { group: 'mine', lag: 0, pending: 10, readers: [{ name: 'gateway-a', pending: 10 }] },
    { group: 'slow', lag: 10, pending: 0, idleMs: undefined, readers: [] },
  ])
  for (const { oldestAgeMs } of partition!.groups) expect(oldestAgeMs).toBeGreaterThan(0)

  // What a gateway leaves on its disk stays known when it ends, with the time since.
  await scene.closeGateways()
  expect((await look()).gateways).toMatchObject([{ name: 'gateway-a', onDisk: [{ messages: 3 }], consumers: [] }])
  const again = await scene.open({ name: 'gateway-b' })
  await until('the other gateway is there', async () => (await look()).gateways.length === 2)
  await again.close()
  expect((await look()).gateways.map(({ name }) => name)).toEqual(['gateway-a'])
  await scene.admin.hset('queue:gateways', { old: '1000 {}', odd: 'nonsense', later: `${Date.now()} {"v":2}` })
  expect((await look()).gateways.map(({ name }) => name)).toEqual(['gateway-a'])
})

it('does not read more of what somebody wrote than there may be', async () => {
  await scene.admin.hset('queue:topics', { huge: '900000000', odd: 'many', telemetry: '3' })
  const { total, partitions } = await look()
  expect(total).toBe(900_000_003)
  expect(partitions).toHaveLength(1024)
  expect(partitions[2]).toMatchObject({ topic: 'telemetry', partition: 2 })
})

it('fails while Redis is away, and looks again when it is back', async () => {
  await scene.admin.client('PAUSE', 4000, 'ALL').catch(() => {})
  await expect(look()).rejects.toMatchObject({ name: 'BrokerError' })
  await until('it answers again', async () => (await look().catch(() => undefined)) !== undefined)
})
