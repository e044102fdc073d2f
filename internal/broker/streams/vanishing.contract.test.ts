import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GROUP, type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import type { Broker, CheckpointStore } from '../broker.ts'
import { streamKeys } from './names.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

beforeEach(async () => {
  await scene.admin.flushall()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

const KEY = streamKeys('telemetry', 1)[0]!
/** Reads the backlog often, so that no test waits for it. */
const OFTEN = { partitions: 1, backlogIntervalMs: 50 }

/** As a server has it on its disk. */
class Positions implements CheckpointStore {
  readonly kept = new Map<string, string>()
  load = async () => new Map(this.kept)
  save = async (changed: ReadonlyMap<string, string>) => {
    for (const [key, position] of changed) this.kept.set(key, position)
  }
}

const publish = (broker: Broker, count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, () => broker.publish('key', Buffer.from('x'))))

/** A server that stores at once. */
async function serve(consumer: string, positions?: CheckpointStore) {
  const broker = await scene.open('streams', { ...OFTEN, consumer })
  const settled: Array<{ beforeMs: number; isAlone: boolean }> = []
  let received = 0
  const subscription = await broker.subscribe(
    (_payload, { id }) => {
      received++
      subscription.ack(id)
    },
    {
      ...(positions === undefined ? {} : { positions }),
      onSettled: (beforeMs, isAlone) => settled.push({ beforeMs, isAlone }),
    },
  )
  const looked = async (): Promise<void> => {
    const before = settled.length
    await until('it has looked again', () => settled.length > before + 2)
  }
  return { broker, subscription, settled, looked, received: () => received }
}

describe('a stream that is not the one that it was', () => {
  /** A server reads 20 messages and stops; then this happens, and 5 more messages come; then a server starts. */
  it.each<[string, (publisher: Broker) => Promise<unknown>, number, number]>([
    ['is deleted', () => scene.admin.del(KEY), 1, 5],
    ['is deleted with all else', () => scene.admin.flushall(), 1, 5],
    [
      'is deleted after more came, and grows beyond what it was',
      async (publisher) => {
        await publish(publisher, 7)
        await scene.admin.del(KEY)
        await publish(publisher, 40)
      },
      ...([1, 45] as const),
    ],
    [
      'is deleted, and another server makes the group',
      async (publisher) => {
        await scene.admin.del(KEY)
        await publish(publisher, 1)
        await scene.admin.xgroup('CREATE', KEY, GROUP, '0')
      },
      ...([1, 6] as const),
    ],
    ['nothing happens to it', async () => {}, 0, 5],
    ['its group is destroyed: all that is left comes again', () => scene.admin.xgroup('DESTROY', KEY, GROUP), 0, 25],
    ['what was read is trimmed', () => scene.admin.xtrim(KEY, 'MAXLEN', 0), 0, 5],
  ])('%s', async (_name, happens, vanished, received) => {
    const publisher = await scene.open('streams', OFTEN)
    const positions = new Positions()
    const first = await serve('a', positions)
    await publish(publisher, 20)
    await until('all is read', () => first.received() === 20)
    await first.subscription.close()
    expect(positions.kept.get(KEY)).toMatch(/^\d+-\d+ 20 [\da-f]{40}$/)

    await happens(publisher)
    await publish(publisher, 5)
    const second = await serve('a', positions)
    await until('all is read', () => second.received() === received)
    await second.looked()
    expect([second.received(), second.broker.stats.streamsVanished]).toEqual([received, vanished])
    // Once it is known, the next server does not say it again.
    await second.subscription.close()
    const third = await serve('a', positions)
    await third.looked()
    expect(third.broker.stats.streamsVanished).toBe(0)
  })

  it('is noticed while the server runs, and without anything on disk', async () => {
    const publisher = await scene.open('streams', OFTEN)
    const { broker, received, looked } = await serve('a')
    await publish(publisher, 20)
    await until('all is read', () => received() === 20)
    await looked()
    await scene.admin.del(KEY)
    await until('it is noticed', () => broker.stats.streamsVanished === 1)
    await publish(publisher, 5)
    await until('all is read', () => received() === 25)
    await looked()
    expect([broker.stats.streamsVanished, broker.stats.groupsRemade]).toEqual([1, 1])
  })

  it('is unknown to a server that knows nothing of it', async () => {
    const publisher = await scene.open('streams', OFTEN)
    await publish(publisher, 5)
    const { broker, received, looked } = await serve('a')
    await until('all is read', () => received() === 5)
    await looked()
    expect([broker.stats.streamsVanished, broker.stats.groupsMade]).toEqual([0, 1])
  })
})

describe('what is settled', () => {
  it('is everything before the oldest entry that is not acked', async () => {
    const publisher = await scene.open('streams', OFTEN)
    const broker = await scene.open('streams', { ...OFTEN, consumer: 'a' })
    let newest = 0
    let settledMs = 0
    const subscription = await broker.subscribe(
      (_payload, { id }) => {
        newest = id
      },
      {
        onSettled: (beforeMs) => {
          settledMs = beforeMs
        },
      },
    )
    await publish(publisher, 1)
    await until('it is read', () => newest === 1)
    const readAtMs = performance.now()
    const looked = await scene.calls('xpending')
    await until('it has looked', async () => (await scene.calls('xpending')) > looked + 3)
    expect(settledMs).toBeLessThan(readAtMs)
    subscription.ack(newest)
    await until('it is settled', () => settledMs > readAtMs)
  })

  it('and nobody can tell while another server reads beside', async () => {
    const alone = await serve('a')
    await alone.looked()
    expect(alone.settled.every(({ isAlone }) => isAlone)).toBe(true)
    const other = await serve('b')
    await until('both know', () => !alone.settled.at(-1)!.isAlone && other.settled.some(({ isAlone }) => !isAlone))
    await other.subscription.close()
    await alone.subscription.close()
    // A server that is gone reads nothing beside the next one.
    const next = await serve('c')
    await next.looked()
    expect(next.settled.every(({ isAlone }) => isAlone)).toBe(true)
  })
})
