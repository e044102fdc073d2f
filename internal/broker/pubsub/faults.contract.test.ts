import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { startTcpProxy, type TcpProxy } from '../../../test/support/tcp-proxy.ts'
import { receiver, texts } from '../broker.contract.ts'
import type { Broker } from '../broker.ts'

let scene: RedisScene
let proxy: TcpProxy

beforeAll(async () => {
  scene = await startRedisScene()
})

beforeEach(async () => {
  proxy = await startTcpProxy(scene.server.port)
})

afterEach(async () => {
  proxy.become({ kind: 'none' })
  await scene.closeBrokers()
  await proxy.stop()
})

afterAll(() => scene.stop())

/** A broker whose bytes all go through the proxy. */
function openBehindProxy(pingIntervalMs = 4000): Promise<Broker> {
  return scene.open('pubsub', { redis: { url: `redis://127.0.0.1:${proxy.port}`, pingIntervalMs } })
}

async function subscribers(): Promise<number> {
  const [, count] = (await scene.admin.pubsub('NUMSUB', 'metrics')) as [string, number]
  return count
}

/** Ends the subscriber's connection. */
async function cutListener(broker: Broker): Promise<void> {
  const before = broker.stats.reconnects
  const killed = await scene.admin.client('KILL', 'TYPE', 'pubsub')
  if (Number(killed) > 0) await until('it is connected again', () => broker.stats.reconnects > before)
}

describe('a paused subscriber', () => {
  it('stays paused over a reconnect, and a resume reaches the connection after that', async () => {
    const broker = await scene.open('pubsub')
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    await cutListener(broker)
    expect(await broker.publish('key', Buffer.from('listens'))).toBe(1)

    subscription.pause()
    await until('Redis has heard of it', async () => (await subscribers()) === 0)
    await scene.server.halt('SIGKILL')
    await until('it is known to be away', () => !broker.health().connected)
    await scene.server.start()
    await until('it is connected again', () => broker.health().connected)
    expect(await broker.publish('key', Buffer.from('paused'))).toBe(0)

    await scene.server.halt('SIGKILL')
    await until('it is known to be away', () => !broker.health().connected)
    subscription.resume()
    await scene.server.start()
    await until(
      'it listens again',
      async () => (await broker.publish('key', Buffer.from('resumed')).catch(() => 0)) === 1,
    )
    await until('it has arrived', () => texts(received).at(-1) === 'resumed')
    expect(texts(received)).toEqual(['listens', 'resumed'])
  })

  it('ends as the last call said, also when its connection broke between many calls', async () => {
    const broker = await scene.open('pubsub', { redis: { url: `redis://127.0.0.1:${proxy.port}` } })
    const subscription = await broker.subscribe(() => {})
    for (let round = 0; round < 20; round++) {
      const listens = round % 3 === 0
      const before = broker.stats.reconnects
      if (round % 2 === 0) proxy.cut()
      for (let i = 0; i < 5; i++) {
        subscription.pause()
        if (i % 2 === round % 2) await scene.admin.ping()
        subscription.resume()
        if (i % 3 === 0) await scene.admin.ping()
      }
      if (!listens) subscription.pause()
      // Both of its connections.
      if (round % 2 === 0) await until('it is connected again', () => broker.stats.reconnects >= before + 2)
      await until('Redis knows how it is', async () => (await subscribers()) === (listens ? 1 : 0))
      await broker.publish('key', Buffer.from('a way there and back'))
      expect(await subscribers()).toBe(listens ? 1 : 0)
    }
  })

  it('receives every message of which publish said that it would', async () => {
    const broker = await scene.open('pubsub')
    let heard = 0
    const subscription = await broker.subscribe(() => heard++)
    let promised = 0
    let publishing = true
    const publisher = (async () => {
      while (publishing) {
        const sent = Array.from({ length: 200 }, () => broker.publish('key', Buffer.alloc(100)))
        for (const receivers of await Promise.all(sent)) promised += receivers
      }
    })()
    for (let i = 0; i < 30; i++) {
      subscription.pause()
      await until('no subscriber', async () => (await subscribers()) === 0)
      subscription.resume()
      await until('it listens again', async () => (await subscribers()) === 1)
    }
    publishing = false
    await publisher
    await subscription.stop()
    expect(promised).toBeGreaterThan(0)
    expect(heard).toBe(promised)
  })
})

describe('a subscriber', () => {
  it('that Redis disconnects because it is too slow comes back by itself', async () => {
    await scene.admin.config('SET', 'client-output-buffer-limit', 'pubsub 1mb 1mb 1')
    const broker = await openBehindProxy()
    let heard = 0
    await broker.subscribe(() => heard++)
    proxy.become({ kind: 'silent', only: 'answers' })
    const payload = Buffer.alloc(2 ** 20)
    let promised = 0
    await until('Redis has cut it off', async () => {
      promised += await scene.admin.publish('metrics', payload)
      return (await subscribers()) === 0
    })
    proxy.become({ kind: 'none' })
    await until('it listens again', async () => (await scene.admin.publish('metrics', 'after')) === 1)
    const before = heard
    await scene.admin.publish('metrics', 'and again')
    await until('it hears again', () => heard > before)
    // Messages that Redis had not sent yet are gone; the numbers in real messages show that.
    expect(heard).toBeLessThan(promised + 2)
  })

  it('takes a new connection when no answer comes on the old one', async () => {
    const broker = await openBehindProxy(300)
    const received = receiver()
    await broker.subscribe(received.handler)
    const live: string[] = []
    await broker.live.subscribe((payload) => live.push(payload.toString()))
    proxy.become({ kind: 'silent' })
    await until('it is known to be away', () => !broker.health().connected)
    // For Redis the old connection is still open.
    expect(await subscribers()).toBe(1)
    proxy.become({ kind: 'none' })
    await until('it is connected again', () => broker.health().connected)
    // Until Redis knows that the old connection is gone, and the new one listens, a message may reach nobody.
    await until('it has arrived', async () => {
      await broker.publish('key', Buffer.from('after'))
      return texts(received).includes('after')
    })
    await until('the live feed is heard', () => {
      broker.live.publish(Buffer.from('live'), [])
      return live.length > 0
    })
  })

  it('keeps one over which messages gather for longer than that', async () => {
    const intervalMs = 100
    const broker = await scene.open('pubsub', { redis: { url: scene.server.url, pingIntervalMs: intervalMs } })
    const received = receiver()
    await broker.subscribe(received.handler)
    const endMs = performance.now() + 10 * intervalMs
    let sent = 0
    while (performance.now() < endMs) {
      const results = await Promise.all(
        Array.from({ length: 20 }, () => broker.publish('key', Buffer.from(`${sent++}`))),
      )
      expect(results).toEqual(results.map(() => 1))
    }
    await until('all has arrived', () => texts(received).length === sent)
    expect(texts(received)).toEqual(Array.from({ length: sent }, (_, i) => `${i}`))
    expect(broker.stats.reconnects).toBe(0)
  })
})
