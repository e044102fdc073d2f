import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect, payloadsOf, type QueueScene, startQueueScene, untilReceived } from '../../test/support/queue-scene.ts'
import { until } from '../../test/support/servers.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import type { Gateway } from './gateway.ts'
import { DiskError } from './overflow.ts'

let scene: QueueScene
beforeAll(async () => {
  scene = await startQueueScene(['--appendonly', 'yes', '--appendfsync', 'always'])
})
beforeEach(() => scene.admin.flushall())
afterEach(() => scene.closeGateways())
afterAll(() => scene.stop())

const STREAM = 'queue:{gpu:0}'
const texts = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}`)

interface Taken {
  readonly ids: string[]
  readonly durable: string[]
}

async function produceAll(gateway: Gateway, payloads: string[], partition = 0): Promise<Taken> {
  const taken: Taken = { ids: [], durable: [] }
  for (const text of payloads) {
    const { id, durable } = await gateway.produce('gpu', partition, '', Buffer.from(text))
    taken.ids.push(id)
    taken.durable.push(durable)
  }
  return taken
}

/** Consumes and acks until there are so many different messages. @returns the payloads, in the order of their first arrival */
async function consumeAll(gateway: Gateway, count: number, group = 'one'): Promise<Map<string, string>> {
  const consumer = await connect(gateway, 'gpu', group, 0)
  const seen = new Map<string, string>()
  const unacked = new Set<string>()
  let next = 0
  await until(
    `${count} messages have come`,
    async () => {
      const { received } = consumer
      const some = received.slice(next)
      next += some.length
      for (const { payload, id } of some) if (!seen.has(payload)) seen.set(payload, id)
      for (const { id } of some) unacked.add(id)
      // While Redis is away they wait.
      const acked = await gateway.ack('gpu', 0, group, [...unacked]).catch(() => 'away')
      if (acked !== 'away') unacked.clear()
      return seen.size >= count
    },
    60_000,
  )
  consumer.leave()
  return seen
}

const onDisk = (gateway: Gateway): number => gateway.topics.overflow.messages

describe('what Redis does not take', () => {
  it('waits on disk beyond the size of the queue, and is fed back in order with its ids', async () => {
    const gateway = await scene.open({ queueSize: () => 20 })
    const { ids, durable } = await produceAll(gateway, texts(0, 100))
    expect(durable.slice(0, 20)).toEqual(texts(0, 20).map(() => 'redis'))
    expect(new Set(durable.slice(20))).toEqual(new Set(['disk']))
    expect(onDisk(gateway)).toBe(80)
    expect(await scene.admin.xlen(STREAM)).toBe(20)
    const seen = await consumeAll(gateway, 100)
    expect([...seen.keys()]).toEqual(texts(0, 100))
    expect([...seen.values()]).toEqual(ids)
    expect(onDisk(gateway)).toBe(0)
    await until('Redis has none, and no ids of them', async () => (await scene.admin.exists(`${STREAM}:ids`)) === 0)
    expect(await scene.admin.xlen(STREAM)).toBe(0)
    expect((await produceAll(gateway, ['next'])).durable).toEqual(['redis'])
  })

  it('never has more in Redis than the size of the queue that the slowest group has not acked', async () => {
    const gateway = await scene.open({ queueSize: () => 30 })
    await scene.admin.xgroup('CREATE', STREAM, 'slow', '0', 'MKSTREAM')
    const quick = await connect(gateway, 'gpu', 'quick', 0)
    const produced = produceAll(gateway, texts(0, 120))
    let acked = 0
    let most = 0
    await until('quick has all that there is', async () => {
      most = Math.max(most, await scene.admin.xlen(STREAM))
      for (; acked < quick.received.length; acked++) await gateway.ack('gpu', 0, 'quick', [quick.received[acked]!.id])
      return acked === 30
    })
    await produced
    expect(most).toBeLessThanOrEqual(30)
    expect(onDisk(gateway)).toBe(90)
    const [first] = (await scene.admin.xrange(STREAM, '-', '+', 'COUNT', 1)) as [[string, string[]]]
    expect(first[1]).toEqual(['d', '0'])
  })

  it('waits on disk while Redis is away, and comes in order once it is back', async () => {
    const gateway = await scene.open()
    const before = await produceAll(gateway, texts(0, 10))
    await scene.server.halt('SIGKILL')
    await until('it is noticed', () => gateway.redisProblem !== '')
    const away = await produceAll(gateway, texts(10, 30))
    expect(new Set(away.durable)).toEqual(new Set(['disk']))
    const other = await gateway.produce('new-topic', 1, '', Buffer.from('x'))
    expect(other.durable).toBe('disk')
    await expect(gateway.ack('gpu', 0, 'one', [before.ids[0]!])).rejects.toThrow()
    await scene.server.start()
    const seen = await consumeAll(gateway, 30)
    expect([...seen.keys()]).toEqual(texts(0, 30))
    expect([...seen.values()]).toEqual([...before.ids, ...away.ids])
    await until('the other topic is known', async () => (await scene.admin.hget('queue:topics', 'new-topic')) === '4')
  })

  it('is acked at another gateway, which never had it', async () => {
    const [near, far] = [await scene.open({ queueSize: () => 10 }), await scene.open()]
    const { ids } = await produceAll(near, texts(0, 30))
    const consumer = await connect(near, 'gpu', 'one', 0)
    for (let acked = 0; acked < 30; acked++) {
      await untilReceived(consumer, acked + 1)
      expect(await far.ack('gpu', 0, 'one', [consumer.received[acked]!.id])).toEqual([])
    }
    expect(payloadsOf(consumer)).toEqual(texts(0, 30))
    expect(await far.ack('gpu', 0, 'one', ids)).toEqual(ids)
  })

  it('is taken over by the next process, with the ids that were given', async () => {
    const folder = await scene.folder()
    const first = await scene.open({ folder, queueSize: () => 10, epoch: 'kfirst0' })
    const before = await produceAll(first, texts(0, 40))
    await scene.closeGateways()
    const second = await scene.open({ folder, queueSize: () => 10, epoch: 'ksecond' })
    expect(onDisk(second)).toBe(30)
    const after = await produceAll(second, texts(40, 50))
    expect(new Set(after.durable)).toEqual(new Set(['disk']))
    const seen = await consumeAll(second, 50)
    expect([...seen.keys()]).toEqual(texts(0, 50))
    expect([...seen.values()]).toEqual([...before.ids, ...after.ids])
  })

  it('is refused at the bound of the disk alone, and what was taken before comes', async () => {
    const maxBytes = 200_000
    const gateway = await scene.open({ queueSize: () => 10, maxBytes: () => maxBytes })
    const payload = (i: number): Buffer => Buffer.from(`${i} ${'x'.repeat(4000)}`)
    let taken = 0
    const fill = async (): Promise<void> => {
      for (; taken < 1000; taken++) await gateway.produce('gpu', taken % 2, '', payload(taken))
    }
    await expect(fill()).rejects.toThrow(expect.objectContaining({ name: DiskError.name, reason: 'full' }))
    expect(taken).toBeGreaterThan(50)
    expect(gateway.topics.overflow.bytes).toBeLessThanOrEqual(maxBytes)
    expect(gateway.stats.refused).toBe(1)
    const seen = await consumeAll(gateway, Math.ceil(taken / 2))
    expect([...seen.keys()].map((text) => Number(text.split(' ')[0]))).toEqual(
      Array.from({ length: Math.ceil(taken / 2) }, (_, i) => 2 * i),
    )
  })

  it('is named in the log with the group that nobody reads', async () => {
    const logged: Array<Record<string, unknown>> = []
    const logger = pino({}, { write: (line) => void logged.push(JSON.parse(line) as Record<string, unknown>) })
    const throttle = new LogThrottle(logger)
    const gateway = await scene.open({ queueSize: () => 10, idleGroupMs: 0, logger, throttle })
    await scene.admin.xgroup('CREATE', STREAM, 'forgotten', '0', 'MKSTREAM')
    await produceAll(gateway, texts(0, 15))
    await until('it is logged', () => logged.some(({ group }) => group === 'forgotten'))
    expect(logged.find(({ group }) => group === 'forgotten')).toMatchObject({ topic: 'gpu', partition: 0, onDisk: 5 })
    await scene.admin.xgroup('DESTROY', STREAM, 'forgotten')
    throttle.flush()
  })

  it('is fed once where the answer of Redis was lost', async () => {
    const gateway = await scene.open({ queueSize: () => 10 })
    await produceAll(gateway, texts(0, 60))
    const kill = setInterval(
      () => void scene.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => {}),
      60,
    )
    const seen = new Set<string>()
    const consumer = await connect(gateway, 'gpu', 'one', 0)
    let acked = 0
    await until(
      'all have come',
      async () => {
        for (; acked < consumer.received.length; acked++) {
          const { id, payload } = consumer.received[acked]!
          seen.add(payload)
          if ((await gateway.ack('gpu', 0, 'one', [id]).catch(() => 'again')) === 'again') break
        }
        return seen.size === 60 && onDisk(gateway) === 0
      },
      60_000,
    )
    clearInterval(kill)
    const ids = new Set(consumer.received.map(({ id }) => id))
    expect(ids.size).toBe(60)
  })
})
