import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GROUP, type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { receiver, texts } from '../broker.contract.ts'
import type { Broker, CheckpointStore, Subscription } from '../broker.ts'
import { streamKeys } from './names.ts'

/** Trimming removes whole nodes: of 10 entries rather than 100. */
const SMALL_NODES = ['--stream-node-max-entries', '10']
let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene(SMALL_NODES)
})

beforeEach(async () => {
  await scene.admin.flushall()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

const KEY = streamKeys('telemetry', 1)[0]!
/** Reads the backlog often, so that no test waits for it. */
const OFTEN = { partitions: 1, backlogIntervalMs: 50 }

async function publish(broker: Broker, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => broker.publish('key', Buffer.from('x'))))
}

/** A server that stores at once. */
async function serve(
  consumer: string,
): Promise<{ broker: Broker; subscription: Subscription; received: () => number }> {
  const broker = await scene.open('streams', { ...OFTEN, consumer })
  let received = 0
  const subscription = await broker.subscribe((_payload, { id }) => {
    received++
    subscription.ack(id)
  })
  return { broker, subscription, received: () => received }
}

describe('entries trimmed before they are read', () => {
  it('are counted once by the servers of a group, whenever it happens', async () => {
    const act = fc.oneof(
      fc.record({ kind: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 150 }) }),
      fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const), server: fc.integer({ min: 0, max: 1 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 20 }), async (acts) => {
        await scene.admin.flushall()
        const publisher = await scene.open('streams', { ...OFTEN, maxLength: 40 })
        await publish(publisher, 100)
        let published = 100
        const servers = [await serve('a'), await serve('b')]
        for (const each of acts) {
          if (each.kind === 'publish') await publish(publisher, each.count)
          else servers[each.server]!.subscription[each.kind]()
          if (each.kind === 'publish') published += each.count
        }
        for (const { subscription } of servers) subscription.resume()
        const sum = (of: (server: (typeof servers)[number]) => number): number => of(servers[0]!) + of(servers[1]!)
        const trimmed = (): number => sum(({ broker }) => broker.stats.trimmedUnread)
        const received = (): number => sum((server) => server.received())
        await until('all is read or counted', () => received() + trimmed() >= published)
        const looked = await scene.calls('xpending')
        await until('both have looked again', async () => (await scene.calls('xpending')) > looked + 4)
        expect({ published, received: received(), trimmed: trimmed() }).toEqual({
          published,
          received: received(),
          trimmed: published - received(),
        })
        await scene.closeBrokers()
      }),
      { numRuns: 8 },
    )
  })

  it('are counted when they were trimmed before the first server came', async () => {
    const publisher = await scene.open('streams', { ...OFTEN, maxLength: 10 })
    await publish(publisher, 200)
    const left = await scene.admin.xlen(KEY)
    expect(left).toBeLessThan(50)
    const { broker, received } = await serve('a')
    await until('all is read', () => received() === left)
    await until('the rest is counted', () => broker.stats.trimmedUnread > 0)
    expect(broker.stats.trimmedUnread).toBe(200 - left)
  })

  it('are none where all were read, also when the group is reset or made again', async () => {
    const publisher = await scene.open('streams', { ...OFTEN, maxLength: 10 })
    const { broker, received } = await serve('a')
    let published = 0
    const more = async (): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        await publish(publisher, 5)
        published += 5
        await until('all is read', () => received() >= published)
      }
    }
    await more()
    // Anybody's XGROUP SETID leaves the group without a count of what it has read.
    await scene.admin.xgroup('SETID', KEY, GROUP, '$')
    await more()
    await scene.admin.flushall()
    await until('the group is there again', () => broker.stats.groupsRemade === 1)
    await more()
    await scene.admin.xgroup('DESTROY', KEY, GROUP)
    await until('the group is there again', () => broker.stats.groupsRemade === 2)
    await until('what is left came again', () => received() > published)
    const looked = await scene.calls('xpending')
    await until('it has been looked at again', async () => (await scene.calls('xpending')) > looked + 4)
    expect(broker.stats.trimmedUnread).toBe(0)
  })

  it('are none to a group that is not the first of its stream', async () => {
    const publisher = await scene.open('streams', { ...OFTEN, maxLength: 10 })
    await publish(publisher, 100)
    await scene.admin.xgroup('CREATE', KEY, 'others', '0')
    const left = await scene.admin.xlen(KEY)
    const { broker, received } = await serve('a')
    await until('all is read', () => received() === left)
    await until('it has been looked at', () => broker.backlog?.[0]?.lag === 0)
    expect(broker.stats.trimmedUnread).toBe(0)
  })
})

describe('entries that were read before Redis was killed, which forgets how many a group has read', () => {
  it.each([
    ['none were trimmed', {}],
    ['others were trimmed before', { maxLength: 40 }],
  ])('are not counted as trimmed where %s', async (_, options) => {
    const own = await startRedisScene([...SMALL_NODES, '--appendonly', 'yes', '--appendfsync', 'always'])
    const lasting = async (): Promise<{ broker: Broker; received: () => number }> => {
      const broker = await own.open('streams', { ...OFTEN, ...options })
      let received = 0
      const subscription = await broker.subscribe((_payload, { id }) => {
        received++
        subscription.ack(id)
      })
      return { broker, received: () => received }
    }
    const first = await lasting()
    for (let published = 0; published < 150; published += 5) {
      await publish(first.broker, 5)
      await until('all is read', () => first.received() >= published + 5)
    }
    const looked = await own.calls('xpending')
    await until('it has been looked at', async () => (await own.calls('xpending')) > looked + 2)
    await own.closeBrokers()
    await own.server.halt('SIGKILL')
    await own.server.start()
    const second = await lasting()
    await publish(second.broker, 10)
    await until('all is read', () => second.received() >= 10)
    const before = await own.calls('xpending')
    await until('it has been looked at again', async () => (await own.calls('xpending')) > before + 4)
    expect(second.broker.stats.trimmedUnread).toBe(0)
    await own.closeBrokers()
    await own.stop()
  })

  it('are not counted as trimmed where nobody looked after they were read, and what was trimmed unread then is', async () => {
    const own = await startRedisScene([...SMALL_NODES, '--appendonly', 'yes', '--appendfsync', 'always'])
    const known = new Map<string, string>()
    const positions: CheckpointStore = {
      load: async () => new Map(known),
      save: async (changed) => void changed.forEach((text, key) => void known.set(key, text)),
    }
    const serveFrom = async (backlogIntervalMs: number): Promise<{ broker: Broker; received: () => number }> => {
      const broker = await own.open('streams', { partitions: 1, backlogIntervalMs, maxLength: 40 })
      let received = 0
      const subscription = await broker.subscribe(
        (_payload, { id }) => {
          received++
          subscription.ack(id)
        },
        { positions },
      )
      return { broker, received: () => received }
    }
    const publishAndRead = async ({ broker, received }: Awaited<ReturnType<typeof serveFrom>>, count: number) => {
      const before = received()
      for (let published = 0; published < count; published += 5) {
        await publish(broker, 5)
        await until('all is read', () => received() >= before + published + 5)
      }
    }
    const often = await serveFrom(50)
    await publishAndRead(often, 100)
    await until('it has looked', () => known.get(KEY)?.includes(' 100 ') === true)
    await own.closeBrokers()
    // It looks once more a second after its start, and then after an hour.
    const seldom = await serveFrom(3_600_000)
    const since = performance.now()
    await until('it has looked twice', () => performance.now() - since > 1500)
    await publishAndRead(seldom, 30)
    await own.server.halt('SIGKILL')
    await own.closeBrokers()
    await own.server.start()
    const second = await serveFrom(50)
    await until('it has looked', () => known.get(KEY)?.includes(' 130 ') === true)
    expect(second.broker.stats.trimmedUnread).toBe(0)
    await second.broker.close()
    const publisher = await own.open('streams', { partitions: 1, maxLength: 40 })
    await publish(publisher, 100)
    const left = await own.admin.xlen(KEY)
    const third = await serveFrom(50)
    await until('what is left is read', () => third.received() === left)
    await until('the rest is counted', () => third.broker.stats.trimmedUnread > 0)
    expect(third.broker.stats.trimmedUnread).toBe(100 - left)
    await own.closeBrokers()
    await own.stop()
  })
})

describe('entries trimmed while a server has them unacked', () => {
  const visibilityMs = 400

  async function hold(): Promise<{ holder: Broker; subscription: Subscription; heir: Broker }> {
    const holder = await scene.open('streams', { ...OFTEN, consumer: 'holder', visibilityMs })
    const received = receiver()
    const subscription = await holder.subscribe(received.handler)
    await publish(holder, 30)
    await until('all have arrived', () => received.payloads.length === 30)
    await scene.admin.xtrim(KEY, 'MAXLEN', 0)
    const heir = await scene.open('streams', { ...OFTEN, consumer: 'heir', visibilityMs })
    await heir.subscribe(() => {})
    return { holder, subscription, heir }
  }

  it('are no loss while that server is alive and acks them', async () => {
    const { holder, subscription, heir } = await hold()
    const since = performance.now()
    await until('visibility periods are over', () => performance.now() - since > 4 * visibilityMs)
    const looked = await scene.calls('xpending')
    await until('it has been looked at again', async () => (await scene.calls('xpending')) > looked + 20)
    expect(await scene.pending()).toHaveLength(30)
    subscription.ack(30)
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    expect([holder.stats.trimmedUnacked, heir.stats.trimmedUnacked]).toEqual([0, 0])
  })

  it('are lost with that server, and counted once by the next', async () => {
    const { holder, heir } = await hold()
    await holder.close()
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    expect([holder.stats.trimmedUnacked, heir.stats.trimmedUnacked]).toEqual([0, 30])
    expect([holder.stats.trimmedUnread, heir.stats.trimmedUnread]).toEqual([0, 0])
  })
})

describe('trimming', () => {
  it('goes by age with maxAgeMs, by the clock of Redis', async () => {
    const broker = await scene.open('streams', { partitions: 1, maxLength: 10, maxAgeMs: 1500 })
    await publish(broker, 200)
    expect(await scene.admin.xlen(KEY)).toBe(200)
    await until('the oldest are gone', async () => {
      await publish(broker, 1)
      return (await scene.admin.xlen(KEY)) < 200
    })
    const [[firstId]] = (await scene.admin.xrange(KEY, '-', '+', 'COUNT', 1)) as [[string, string[]]]
    const [[lastId]] = (await scene.admin.xrevrange(KEY, '+', '-', 'COUNT', 1)) as [[string, string[]]]
    // A node of the stream, 10 entries, may stay whole.
    expect(Number.parseInt(lastId, 10) - Number.parseInt(firstId, 10)).toBeLessThan(1500 + 20 * 40)
  })
})

describe('the backlog', () => {
  it('tells what waits in each partition, and is empty while Redis is away or without a subscriber', async () => {
    const broker = await scene.open('streams', { backlogIntervalMs: 50 })
    expect(broker.backlog).toEqual([])
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    for (let i = 0; i < 20; i++) await broker.publish(`key-${i}`, Buffer.from(`${i}`))
    const sum = (of: 'lag' | 'pending'): number =>
      (broker.backlog ?? []).reduce((total, partition) => total + (partition[of] ?? 0), 0)
    await until('all are pending', () => sum('pending') === 20 && sum('lag') === 0)
    const age = Math.max(...broker.backlog!.map(({ oldestAgeMs }) => oldestAgeMs))
    await until('they are older', () => Math.max(...broker.backlog!.map(({ oldestAgeMs }) => oldestAgeMs)) > age)
    subscription.pause()
    const read = await scene.calls('xreadgroup')
    await until('the reads under way are over', async () => {
      await broker.publish('probe', Buffer.from('probe'))
      return sum('lag') > 0
    })
    expect(await scene.calls('xreadgroup')).toBeLessThanOrEqual(read + 8)
    subscription.resume()
    await until('all are read', () => sum('lag') === 0)
    subscription.ack(received.ids.at(-1)!)
    await until('nothing is left', () => sum('pending') === 0)
    const none = { lag: 0, pending: 0, oldestAgeMs: 0, unreadAgeMs: 0 }
    expect(broker.backlog).toEqual([0, 1, 2, 3].map((partition) => ({ partition, ...none })))
    await scene.server.halt('SIGKILL')
    await until('it says nothing', () => broker.backlog?.length === 0)
    await scene.server.start()
    await until('it says something again', () => broker.backlog?.length === 4)
    await subscription.close()
    expect(broker.backlog).toEqual([])
    expect(texts(received)).toContain('19')
  })

  it('removes consumers that are long gone and have no pending entries', async () => {
    const names = async (): Promise<string[]> => {
      const consumers = (await scene.admin.xinfo('CONSUMERS', KEY, GROUP)) as Array<[string, string]>
      return consumers.map(([, name]) => name).sort()
    }
    const broker = await scene.open('streams', { ...OFTEN, consumer: 'owes' })
    const received = receiver()
    await broker.subscribe(received.handler)
    await broker.publish('key', Buffer.from('held'))
    await until('it has arrived', () => received.payloads.length === 1)
    await broker.close()
    await scene.admin.xgroup('CREATECONSUMER', KEY, GROUP, 'idle')
    expect(await names()).toEqual(['idle', 'owes'])
    const heir = await scene.open('streams', { ...OFTEN, consumer: 'heir', forgetAfterMs: 0 })
    await heir.subscribe(() => {})
    await until('the idle one is removed', async () => !(await names()).includes('idle'))
    expect(await names()).toContain('owes')
  })
})
