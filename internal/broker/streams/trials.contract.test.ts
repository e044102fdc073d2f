import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GROUP, type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts'
import type { Broker, Subscription } from '../broker.ts'
import type { StreamsOptions } from './broker.ts'
import { streamKeys } from './names.ts'
import { SUSPECT_AFTER } from './suspect.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

beforeEach(async () => {
  await scene.admin.flushall()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

const KEYS = streamKeys('telemetry', 4)

interface Server {
  readonly broker: Broker
  readonly subscription: Subscription
  /** Messages delivered and not yet acked; below, all that were ever delivered, in order. */
  readonly held: Array<{ id: number; text: string }>
  readonly heard: string[]
  readonly redelivered: string[]
  readonly poison: Array<{ text: string; deliveries: number; problem: string }>
  /** Acks all in `held`, as if the store had them. */
  store(): void
}

/** A server whose store takes nothing until `store` is called. */
async function serve(options: Partial<StreamsOptions>, onMessage: (text: string) => void = () => {}): Promise<Server> {
  const broker = await scene.open('streams', options)
  const [held, heard, redelivered, poison]: [Server['held'], string[], string[], Server['poison']] = [[], [], [], []]
  const subscription = await broker.subscribe(
    (payload, delivery) => {
      const text = payload.toString()
      heard.push(text)
      if (delivery.redelivered) redelivered.push(text)
      onMessage(text)
      held.push({ id: delivery.id, text })
    },
    {
      onPoison: (payload, _id, deliveries, problem) => {
        poison.push({ text: payload.toString(), deliveries, problem })
      },
    },
  )
  const store = (): void => {
    if (held.length > 0) subscription.ack(held.splice(0).at(-1)!.id)
  }
  return { broker, subscription, held, heard, redelivered, poison, store }
}

/** Makes entries pending at a consumer, delivered so often and never acked. */
async function leaveBehind(
  consumer: string,
  deliveries: number,
  texts: readonly string[],
  key = KEYS[0]!,
): Promise<void> {
  const { admin } = scene
  await admin.xgroup('CREATE', key, GROUP, '0', 'MKSTREAM').catch(() => {})
  for (const text of texts) {
    const id = await admin.xadd(key, '*', 'd', text)
    await admin.xreadgroup('GROUP', GROUP, consumer, 'COUNT', 1, 'STREAMS', key, '>')
    await admin.xclaim(key, GROUP, consumer, 0, id!, 'RETRYCOUNT', deliveries, 'JUSTID')
  }
}

async function notes(): Promise<Record<string, string>> {
  const all = await Promise.all(KEYS.map((key) => scene.admin.hgetall(`${key}:trials`)))
  return Object.assign({}, ...all)
}

/**
 * Waits for a number of visibility periods. In each, every server tells Redis three times for each partition that it is
 * alive.
 */
async function visibilityPeriods(count: number, servers = 1): Promise<void> {
  const end = (await scene.calls('eval')) + count * servers * 3 * KEYS.length
  await until(`${count} visibility periods are over`, async () => (await scene.calls('eval')) >= end)
}

describe('entries, while the store is away,', () => {
  it('stay with their server, delivered once, for many visibility periods', async () => {
    const visibilityMs = 400
    const [a, b] = [await serve({ consumer: 'a', visibilityMs }), await serve({ consumer: 'b', visibilityMs })]
    for (const { subscription } of [a, b]) subscription.storeAway(true)
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`)
    for (const text of texts) await a.broker.publish(`key-${text}`, Buffer.from(text))
    await until('all have arrived', () => a.heard.length + b.heard.length === 200)
    await visibilityPeriods(8, 2)
    const pending = await scene.pending()
    expect(pending).toHaveLength(200)
    expect(new Set(pending.map(({ deliveries }) => deliveries))).toEqual(new Set([1]))
    for (const server of [a, b]) {
      server.subscription.storeAway(false)
      server.store()
    }
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    expect([...a.heard, ...b.heard].sort()).toEqual([...texts].sort())
    expect([a.poison, b.poison, a.broker.stats.claimed, b.broker.stats.claimed]).toEqual([[], [], 0, 0])
  })

  it('are not claimed from a dead server until the store is back', async () => {
    const visibilityMs = 300
    await leaveBehind('dead', 1, ['left'])
    const heir = await serve({ consumer: 'heir', visibilityMs })
    heir.subscription.storeAway(true)
    await heir.broker.publish('key', Buffer.from('new'))
    await until('the new one has arrived', () => heir.heard.length === 1)
    await visibilityPeriods(3)
    expect(heir.heard).toEqual(['new'])
    heir.subscription.storeAway(false)
    await until('the other has arrived', () => heir.heard.length === 2)
    expect([heir.heard, heir.redelivered]).toEqual([['new', 'left'], ['left']])
  })

  it('do not become suspects when connections are lost', async () => {
    const server = await serve({ consumer: 'a' })
    for (let i = 0; i < 20; i++) await server.broker.publish(`key-${i}`, Buffer.from(`${i}`))
    await until('all have arrived', () => server.heard.length === 20)
    for (let times = 1; times <= SUSPECT_AFTER + 1; times++) {
      const before = server.broker.stats.reconnects
      await scene.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await until('it is connected again', () => server.broker.stats.reconnects >= before + 2)
    }
    await server.broker.publish('key', Buffer.from('last'))
    await until('the last has arrived', () => server.heard.includes('last'))
    expect((await scene.pending()).map(({ deliveries }) => deliveries)).toEqual(Array(21).fill(1))
    expect(server.heard).toHaveLength(21)
  })
})

describe('a suspect', () => {
  it('is delivered when nothing else is unacked, and nothing is delivered beside it', async () => {
    await leaveBehind('dead', SUSPECT_AFTER, ['suspect'])
    const server = await serve({ consumer: 'heir', visibilityMs: 300 })
    server.subscription.storeAway(true)
    await server.broker.publish('key', Buffer.from('held'))
    await until('it has arrived', () => server.heard.length === 1)
    server.subscription.storeAway(false)
    await until('it has been claimed', () => server.broker.stats.claimed === 1)
    await visibilityPeriods(2)
    expect(server.heard).toEqual(['held'])
    server.store()
    await until('it is on trial', () => server.heard.length === 2)
    expect(Object.values(await notes())).toEqual(['1'])
    for (let i = 0; i < 20; i++) await server.broker.publish(`key-${i}`, Buffer.from('beside'))
    await visibilityPeriods(2)
    expect([server.heard, server.redelivered]).toEqual([['held', 'suspect'], ['suspect']])
    server.store()
    await until('the others have arrived', () => server.heard.length === 22)
    server.store()
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    await until('nothing is noted', async () => Object.keys(await notes()).length === 0)
    expect(server.poison).toEqual([])
  })

  it('is tried together with others that have failed no trial', async () => {
    const texts = Array.from({ length: 300 }, (_, i) => `${i}`)
    for (const [partition, key] of KEYS.entries()) {
      await leaveBehind(
        'server-1',
        50,
        texts.filter((_, i) => i % 4 === partition),
        key,
      )
    }
    const server = await serve({ consumer: 'server-1' })
    let trials = 0
    while (server.heard.length < 300) {
      await until('a trial has begun', () => server.held.length > 0)
      trials++
      server.store()
    }
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    expect([...server.heard].sort()).toEqual([...texts].sort())
    expect(trials).toBeLessThanOrEqual(8)
    expect(server.poison).toEqual([])
  })

  it('has no note while the store is away, when the process survives it, and after a stop', async () => {
    await leaveBehind('server-1', SUSPECT_AFTER, ['suspect'])
    const noted = async (): Promise<number> => Object.keys(await notes()).length

    const first = await serve({ consumer: 'server-1' })
    await until('it is on trial', () => first.heard.length === 1)
    expect(await noted()).toBe(1)
    first.subscription.storeAway(true)
    await until('the note is taken back', async () => (await noted()) === 0)
    await first.broker.close()

    const second = await serve({ consumer: 'server-1' })
    await until('it is on trial', () => second.heard.length === 1)
    expect(await noted()).toBe(1)
    await until('the process has survived it for a while', async () => (await noted()) === 0)
    await second.broker.close()

    const third = await serve({ consumer: 'server-1' })
    await until('it is on trial', () => third.heard.length === 1)
    expect(await noted()).toBe(1)
    await third.broker.close()
    expect(await noted()).toBe(0)
    expect((await scene.pending()).map(({ deliveries }) => deliveries)).toEqual([SUSPECT_AFTER + 3])
  })

  it('waits while the consumer is paused', async () => {
    await leaveBehind('dead', SUSPECT_AFTER, ['suspect'])
    const server = await serve({ consumer: 'heir', visibilityMs: 300 })
    server.subscription.pause()
    server.subscription.resume()
    await until('it has been claimed', () => server.broker.stats.claimed === 1)
    server.subscription.pause()
    server.store()
    server.subscription.resume()
    await until('it is on trial', () => server.heard.length === 1)
  })

  it('on which the handler throws once is delivered again, and one on which it throws again alone is poison', async () => {
    let threw = false
    const server = await serve({ consumer: 'server-1', trialPauseMs: 1 }, (text) => {
      if (text === 'always') throw new TypeError('cannot process it')
      if (text === 'once' && !threw) {
        threw = true
        throw new Error('this time')
      }
    })
    for (const text of ['good', 'once', 'always', 'good']) await server.broker.publish('key', Buffer.from(text))
    await until('it is given up', () => {
      server.store()
      return server.poison.length === 1
    })
    await until('nothing is pending', async () => {
      server.store()
      return (await scene.pending()).length === 0
    })
    expect(server.poison).toEqual([{ text: 'always', deliveries: expect.any(Number), problem: 'cannot process it' }])
    expect(server.heard.filter((text) => text === 'once')).toHaveLength(2)
    expect(server.heard.filter((text) => text === 'good')).toHaveLength(2)
    expect(await notes()).toEqual({})
  })

  it('stays in Redis when no dead letter could be kept', async () => {
    const broker = await scene.open('streams', { trialPauseMs: 1 })
    const subscription = await broker.subscribe(
      () => {
        throw new Error('cannot process it')
      },
      { onPoison: () => Promise.reject(new Error('no room')) },
    )
    await broker.publish('key', Buffer.from('bad'))
    await until('it was offered', () => broker.stats.handlerErrors >= 3)
    await subscription.close()
    expect(await scene.pending()).toHaveLength(1)
  })
})

describe('a message that ends the process', () => {
  /**
   * One life of a process: it ends with the message, and Redis gets nothing more from it. Everything is stored a
   * moment after it came.
   * @returns whether it found poison
   */
  async function live(stored: Set<string>, poison: string[], killers: ReadonlySet<string>): Promise<void> {
    const proxy = await startTcpProxy(scene.server.port)
    let dead = false
    const broker = await scene.open('streams', {
      redis: { url: `redis://127.0.0.1:${proxy.port}` },
      consumer: 'server-1',
      trialPauseMs: 20,
    })
    const subscription = await broker.subscribe(
      (payload, { id }) => {
        const text = payload.toString()
        if (killers.has(text)) {
          dead = true
          proxy.become({ kind: 'closed' })
        }
        if (dead) return
        setImmediate(() => {
          if (dead) return
          stored.add(text)
          subscription.ack(id)
        })
      },
      { onPoison: (payload) => void poison.push(payload.toString()) },
    )
    await until(
      'it dies, or has stored all',
      async () => dead || (await scene.pending()).length + (await unread()) === 0,
    )
    await broker.close()
    await proxy.stop()
  }

  async function unread(): Promise<number> {
    let total = 0
    for (const key of KEYS) {
      for (const group of (await scene.admin.xinfo('GROUPS', key)) as unknown[][]) total += Number(group[11])
    }
    return total
  }

  it('is poison in the end, and its neighbours are not', async () => {
    const publisher = await scene.open('streams')
    const healthy = Array.from({ length: 500 }, (_, i) => `${i}`)
    const killers = new Set(['killer 1', 'killer 2'])
    for (const text of healthy) {
      if (text === '120') await publisher.publish('key', Buffer.from('killer 1'))
      if (text === '400') await publisher.publish('key 2', Buffer.from('killer 2'))
      await publisher.publish(`key-${Number(text) % 9}`, Buffer.from(text))
    }
    const [stored, poison]: [Set<string>, string[]] = [new Set(), []]
    for (let lives = 1; poison.length < 2 || stored.size < healthy.length; lives++) {
      expect(lives).toBeLessThan(40)
      await live(stored, poison, killers)
    }
    expect(poison.sort()).toEqual(['killer 1', 'killer 2'])
    expect([...stored].sort()).toEqual([...healthy].sort())
    expect(await scene.pending()).toEqual([])
    expect(await notes()).toEqual({})
  })
})
