import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { flood } from '../../../test/support/flood.ts'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import type { Broker } from '../broker.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

beforeEach(() => scene.admin.config('SET', 'client-output-buffer-limit', 'pubsub 32mb 16mb 5'))

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

/** A machine that is busy with other things makes the subscriber slower still. */
const LIMIT_MS = 60_000
/** A subscriber that needs 0.2 ms for a message of 1 KB can carry 5 MB/s. */
const MESSAGE_MS = 0.2
const FLOOD = { messageBytes: 1000, bytesPerSecond: 10_000_000 }

/** Sends twice what the subscriber can carry until it has held back some times. */
async function overload(broker: Broker, times: number): Promise<{ promised: number; heard: number }> {
  let heard = 0
  const subscription = await broker.subscribe(() => {
    heard++
    const readyMs = performance.now() + MESSAGE_MS
    while (performance.now() < readyMs);
  })
  const { stop } = flood({ ...FLOOD, port: scene.server.port, channel: 'metrics' })
  await until('it has held back', () => broker.stats.heldBack >= times || broker.stats.reconnects > 0, LIMIT_MS)
  const promised = await stop()
  await subscription.stop()
  return { promised, heard }
}

describe('a subscriber that reads half of what comes', () => {
  it('holds back before Redis cuts it off, gets all that was promised, and goes on', async () => {
    const broker = await scene.open('pubsub')
    expect(broker.behind).toBe('')
    const { promised, heard } = await overload(broker, 2)
    expect(heard).toBe(promised)
    expect(heard).toBeGreaterThan(1000)
    expect(broker.stats.reconnects).toBe(0)
    expect(broker.stats.heldBackMs).toBeGreaterThan(0)
    expect(broker.behind).toMatch(
      /^messages are read .* after they were published, and .* wait in Redis of the 32 MiB at which it cuts a server off: /,
    )
  })

  it('does the same without the rights to ask Redis, and says once what they are', async () => {
    await scene.admin.acl(
      'SETUSER',
      'blind',
      'reset',
      'on',
      '>secret',
      'allkeys',
      'allchannels',
      '+@all',
      '-client|list',
      '-config',
    )
    const logged: Array<{ msg: string; rights?: string }> = []
    const logger = pino({ level: 'info' }, { write: (line) => logged.push(JSON.parse(line)) })
    // Beyond what it takes for granted: how far it is behind it only sees by the age of what it reads, and on a machine that is busy with other
    // things too, 32 MiB are full before the first answer tells. A subscriber that never holds back fills this one too.
    await scene.admin.config('SET', 'client-output-buffer-limit', 'pubsub 128mb 64mb 60')
    const redis = { url: `redis://blind:secret@127.0.0.1:${scene.server.port}` }
    const broker = await scene.open('pubsub', { redis, logger, uses: ['consume'] })
    const { promised, heard } = await overload(broker, 1)
    expect(heard).toBe(promised)
    expect(broker.stats.reconnects).toBe(0)
    expect(broker.health()).toEqual({ connected: true, problem: '' })
    expect(logged.filter(({ rights }) => rights === '+client|list +config|get')).toHaveLength(1)
  })

  it('stays paused for its owner when it has read all', async () => {
    const broker = await scene.open('pubsub')
    const subscription = await broker.subscribe(() => {})
    subscription.pause()
    await until('it does not listen', async () => (await scene.admin.publish('metrics', 'x')) === 0)
    subscription.resume()
    await until('it listens', async () => (await scene.admin.publish('metrics', 'x')) === 1)
  })
})
