import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect, payloadsOf, type QueueScene, startQueueScene, untilReceived } from '../../test/support/queue-scene.ts'
import { sleep, until } from '../../test/support/servers.ts'
import type { Gateway } from './gateway.ts'

let scene: QueueScene
beforeAll(async () => {
  scene = await startQueueScene()
})
beforeEach(() => scene.admin.flushall())
afterEach(() => scene.closeGateways())
afterAll(() => scene.stop())

const texts = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}`)

async function produceAll(gateway: Gateway, topic: string, partition: number, payloads: string[]): Promise<string[]> {
  const ids: string[] = []
  for (const text of payloads) ids.push((await gateway.produce(topic, partition, '', Buffer.from(text))).id)
  return ids
}

describe('a gateway of the queue', () => {
  it('hands out each message with the id that produce gave, in order, and forgets it when it is acked', async () => {
    const gateway = await scene.open()
    const ids = await produceAll(gateway, 'gpu', 1, texts(0, 20))
    const consumer = await connect(gateway, 'gpu', 'one', 1)
    await untilReceived(consumer, 20)
    expect(consumer.received.map(({ id }) => id)).toEqual(ids)
    expect(payloadsOf(consumer)).toEqual(texts(0, 20))
    expect(consumer.received[0]).toMatchObject({ topic: 'gpu', partition: 1 })
    expect(Math.abs(Date.parse(consumer.received[0]!.created_at) - Date.now())).toBeLessThan(60_000)
    expect(await scene.admin.xlen('queue:{gpu:1}')).toBe(20)
    expect(await gateway.ack('gpu', 1, 'one', ids)).toEqual([])
    await until('Redis has none any more', async () => (await scene.admin.xlen('queue:{gpu:1}')) === 0)
  })

  it('writes what servers read: the payload in the field d of the stream of the topic and partition', async () => {
    const gateway = await scene.open()
    const payload = Buffer.from([0, 255, 10, 13, 128])
    const { id } = await gateway.produce('telemetry', 2, '', payload)
    const [entry] = (await scene.admin.xrangeBuffer('queue:{telemetry:2}', '-', '+')) as unknown as [[Buffer, Buffer[]]]
    expect(id).toBe(`2-${entry[0]}`)
    expect(entry[1]).toEqual([Buffer.from('d'), payload])
    const consumer = await connect(gateway, 'telemetry', 'one')
    await untilReceived(consumer, 1)
    expect(consumer.received[0]).toMatchObject({ payload: payload.toString('base64'), encoding: 'base64' })
  })

  it('shares the messages among the consumers of a group, and gives each group all', async () => {
    const gateway = await scene.open({ maxInFlight: () => 10 })
    const [first, second] = [await connect(gateway, 'gpu', 'shared'), await connect(gateway, 'gpu', 'shared')]
    const other = await connect(gateway, 'gpu', 'alone')
    await produceAll(gateway, 'gpu', 0, texts(0, 16))
    await until('all have come', () => first.received.length + second.received.length === 16)
    expect(new Set([...payloadsOf(first), ...payloadsOf(second)]).size).toBe(16)
    expect(Math.min(first.received.length, second.received.length)).toBeGreaterThan(0)
    await untilReceived(other, 10)
    for (const { id } of other.received.splice(0)) await gateway.ack('gpu', 0, 'alone', [id])
    await untilReceived(other, 6)
    expect(payloadsOf(other)).toEqual(texts(10, 16))
  })

  it('begins a new group at the oldest message that another group has not acked', async () => {
    const gateway = await scene.open()
    const first = await connect(gateway, 'gpu', 'first', 0)
    const ids = await produceAll(gateway, 'gpu', 0, texts(0, 10))
    await untilReceived(first, 10)
    await gateway.ack('gpu', 0, 'first', ids.slice(0, 4))
    await until('those are gone', async () => (await scene.admin.xlen('queue:{gpu:0}')) === 6)
    const second = await connect(gateway, 'gpu', 'second', 0)
    await untilReceived(second, 6)
    expect(payloadsOf(second)).toEqual(texts(4, 10))
    await gateway.ack('gpu', 0, 'first', ids.slice(4))
    await gateway.ack('gpu', 0, 'second', ids.slice(4, 7))
    await until('none is trimmed past the slowest group', async () => (await scene.admin.xlen('queue:{gpu:0}')) === 3)
  })

  it('waits where a consumer comes before the first message', async () => {
    const gateway = await scene.open()
    const consumers = await Promise.all([0, 1, 2].map((partition) => connect(gateway, 'gpu', 'early', partition)))
    for (const partition of [0, 1, 2]) await produceAll(gateway, 'gpu', partition, [`${partition}`])
    for (const [partition, consumer] of consumers.entries()) {
      await untilReceived(consumer, 1)
      expect(payloadsOf(consumer)).toEqual([`${partition}`])
    }
  })

  it.each([
    ['an id that nobody made', () => 'nonsense', 'one', 0],
    ['an entry that is not there', () => '0-1-1', 'one', 0],
    ['a mark that is not there', () => '0-kabcdef01-5', 'one', 0],
    ['a partition that is not there', () => '60-1-1', 'one', undefined],
    ['another partition', (id: string) => id, 'one', 1],
    ['another group', (id: string) => id, 'two', 0],
    ['a group that is not there', (id: string) => id, 'three', 0],
  ] as const)('does not know %s', async (_name, change, group, partition) => {
    const gateway = await scene.open()
    const consumer = await connect(gateway, 'gpu', 'one', 0)
    const [id] = await produceAll(gateway, 'gpu', 0, ['x'])
    await untilReceived(consumer, 1)
    await scene.admin.xgroup('CREATE', 'queue:{gpu:0}', 'two', '$')
    const wrong = change(id!)
    expect(await gateway.ack('gpu', partition, group, [wrong])).toEqual([wrong])
    expect(await gateway.ack('gpu', undefined, 'one', [id!])).toEqual([])
    expect(await gateway.ack('gpu', undefined, 'one', [id!])).toEqual([id])
  })

  it('sends a message again that nobody acks in time, and one acked late is acked', async () => {
    const gateway = await scene.open({ visibilityMs: () => 1000 })
    const consumer = await connect(gateway, 'gpu', 'one', 0)
    const ids = await produceAll(gateway, 'gpu', 0, texts(0, 3))
    await untilReceived(consumer, 3)
    await gateway.ack('gpu', 0, 'one', [ids[1]!])
    await untilReceived(consumer, 5)
    expect(payloadsOf(consumer).slice(3)).toEqual(['0', '2'])
    expect(await gateway.ack('gpu', 0, 'one', [ids[0]!, ids[2]!])).toEqual([])
    expect(gateway.stats).toMatchObject({ acked: 3, unknownAcks: 0 })
    expect(gateway.stats.requeued).toBeGreaterThanOrEqual(2)
  })

  it('gives what a consumer leaves behind to another one, of any gateway, before the visibility time', async () => {
    const [near, far] = [await scene.open(), await scene.open()]
    const gone = await connect(near, 'gpu', 'one', 0)
    await produceAll(near, 'gpu', 0, texts(0, 5))
    await untilReceived(gone, 5)
    const next = await connect(far, 'gpu', 'one', 0)
    gone.leave()
    await untilReceived(next, 5)
    expect(payloadsOf(next)).toEqual(texts(0, 5))
  })

  it('acks at another gateway, which makes room for a consumer that had as much as it may', async () => {
    const [near, far] = [await scene.open({ maxInFlight: () => 4 }), await scene.open()]
    const consumer = await connect(near, 'gpu', 'one', 0)
    await produceAll(near, 'gpu', 0, texts(0, 40))
    for (let acked = 0; acked < 40; acked++) {
      await untilReceived(consumer, acked + 1)
      expect(consumer.received.length).toBeLessThanOrEqual(acked + 4)
      expect(await far.ack('gpu', 0, 'one', [consumer.received[acked]!.id])).toEqual([])
    }
    expect(payloadsOf(consumer)).toEqual(texts(0, 40))
  })

  it('sends nothing more to a consumer that does not read, and goes on when it does', async () => {
    const gateway = await scene.open({ visibilityMs: () => 600 })
    const slow = await connect(gateway, 'gpu', 'one', 0)
    slow.isStuck = true
    await produceAll(gateway, 'gpu', 0, ['0'])
    await untilReceived(slow, 1)
    await produceAll(gateway, 'gpu', 0, texts(1, 50))
    const quick = await connect(gateway, 'gpu', 'one', 0)
    await untilReceived(quick, 50)
    expect(new Set(payloadsOf(quick))).toEqual(new Set(texts(0, 50)))
    expect(slow.received).toHaveLength(1)
    quick.leave()
    slow.isStuck = false
    slow.drained()
    await untilReceived(slow, 50)
  })

  it('follows a topic that gets another partition, of this gateway or another one', async () => {
    const [near, far] = [await scene.open(), await scene.open()]
    const consumer = await connect(near, 'gpu', 'one')
    await produceAll(near, 'gpu', 3, ['a'])
    await produceAll(near, 'gpu', 6, ['b'])
    expect(near.topics.counts).toEqual(new Map([['gpu', 7]]))
    await produceAll(far, 'gpu', 9, ['c'])
    await untilReceived(consumer, 3)
    expect(near.topics.counts).toEqual(new Map([['gpu', 10]]))
    expect(await scene.admin.hgetall('queue:topics')).toEqual({ gpu: '10' })
  })

  it('gives the groups of a topic every message of a partition that is new, though another group acks them first', async () => {
    const gateway = await scene.open()
    await scene.admin.xgroup('CREATE', 'queue:{gpu:0}', 'servers', '$', 'MKSTREAM')
    const quick = await connect(gateway, 'gpu', 'quick')
    const [id] = await produceAll(gateway, 'gpu', 5, ['first'])
    await untilReceived(quick, 1)
    expect(await gateway.ack('gpu', 5, 'quick', [id!])).toEqual([])
    await sleep(1500)
    const late = await connect(gateway, 'gpu', 'servers', 5)
    await untilReceived(late, 1)
    expect(payloadsOf(late)).toEqual(['first'])
  })

  it('keeps what one message holds back that nobody acks within bounds, and loses no other', async () => {
    const gateway = await scene.open({ queueSize: () => 400 })
    const consumer = await connect(gateway, 'gpu', 'one', 0)
    await scene.admin.xgroup('CREATE', 'queue:{gpu:0}', 'two', '0', 'MKSTREAM')
    const other = await connect(gateway, 'gpu', 'two', 0)
    const produced = produceAll(gateway, 'gpu', 0, texts(0, 6000))
    const seen: string[] = []
    let most = 0
    let length = 0
    const acks = async (each: typeof consumer, group: string): Promise<void> => {
      const some = each.received.splice(0).filter(({ payload }) => group === 'two' || payload !== '7')
      if (group === 'one') seen.push(...some.map(({ payload }) => payload))
      if (some.length > 0)
        expect(
          await gateway.ack(
            'gpu',
            0,
            group,
            some.map(({ id }) => id),
          ),
        ).toEqual([])
    }
    await until('all others have come', async () => {
      await acks(consumer, 'one')
      await acks(other, 'two')
      length = await scene.admin.xlen('queue:{gpu:0}')
      most = Math.max(most, length)
      return seen.length === 5999 && length < 1500
    })
    await produced
    expect(new Set(seen).size).toBe(5999)
    expect(most).toBeLessThan(4000)
    expect(await scene.admin.xrange('queue:{gpu:0}', '-', '+', 'COUNT', 1)).toEqual([[expect.any(String), ['d', '7']]])
  })

  it('puts messages of one key into one partition, and gives all gateways the same', async () => {
    const [near, far] = [await scene.open(), await scene.open()]
    const partitionOf = async (gateway: Gateway, key: string): Promise<string> =>
      (await gateway.produce('gpu', undefined, key, Buffer.from('x'))).id.split('-')[0]!
    const keys = Array.from({ length: 40 }, (_, i) => `gpu-${i}`)
    const places = await Promise.all(keys.map((key) => partitionOf(near, key)))
    expect(new Set(places).size).toBe(4)
    expect(await Promise.all(keys.map((key) => partitionOf(far, key)))).toEqual(places)
  })

  it('goes on after Redis has lost everything, groups too', async () => {
    const gateway = await scene.open()
    const consumer = await connect(gateway, 'gpu', 'one', 0)
    await produceAll(gateway, 'gpu', 0, ['before'])
    await untilReceived(consumer, 1)
    await scene.admin.flushall()
    await produceAll(gateway, 'gpu', 0, ['after'])
    await untilReceived(consumer, 2)
    expect(payloadsOf(consumer)).toEqual(['before', 'after'])
  })

  it('says how each partition stands', async () => {
    const gateway = await scene.open()
    const consumer = await connect(gateway, 'gpu', 'one', 0)
    await produceAll(gateway, 'gpu', 0, texts(0, 5))
    await untilReceived(consumer, 5)
    await gateway.ack('gpu', 0, 'one', [consumer.received[0]!.id])
    await scene.admin.xgroup('CREATE', 'queue:{gpu:0}', 'two', '0')
    const states = await gateway.partitionsOf('gpu')
    expect(states).toHaveLength(4)
    expect(states[0]!.groups).toMatchObject([
      { group: 'one', lag: 0, pending: 4, readers: [{ pending: 4 }] },
      { group: 'two', pending: 0, idleMs: undefined, readers: [] },
    ])
    expect(states[0]!.groups[1]!.lag).toBe(states[0]!.length)
    expect(states[3]).toMatchObject({ partition: 3, length: 0, overflow: 0, groups: [] })
  })
})
