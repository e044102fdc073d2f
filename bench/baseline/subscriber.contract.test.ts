import { Redis } from 'ioredis'
import pino from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { startRedis, type TestServer, until } from '../../test/support/servers.ts'
import { PlainSubscriber } from './subscriber.ts'

let redis: TestServer
let admin: Redis
let subscriber: PlainSubscriber
let heard: string[]

beforeEach(async () => {
  redis = await startRedis()
  admin = new Redis(redis.url, { maxRetriesPerRequest: null })
  admin.on('error', () => {})
  heard = []
})
afterEach(async () => {
  await subscriber.stop()
  admin.disconnect()
  await redis.stop()
})

function subscriberOf(url: string, password?: string): PlainSubscriber {
  subscriber = new PlainSubscriber({
    redis: { url, password },
    throttle: new LogThrottle(pino({ level: 'silent' })),
    onMessage: (payload) => heard.push(payload.toString()),
  })
  return subscriber
}

test('it receives what is published until it is stopped', async () => {
  await subscriberOf(redis.url).start()
  expect(await admin.publish('metrics', 'one')).toBe(1)
  await admin.publish('metrics', 'two')
  await subscriber.stop()
  expect(heard).toEqual(['one', 'two'])
  expect(await admin.publish('metrics', 'three')).toBe(0)
})

test('it says that Redis is away, and receives again when Redis is back', async () => {
  await subscriberOf(redis.url).start()
  expect(subscriber.problem).toBe('')
  await redis.halt()
  await until('it is known', () => /refuses the connection/.test(subscriber.problem))
  await redis.start()
  await until('somebody listens', async () => (await admin.publish('metrics', 'again')) === 1)
  await until('it is heard', () => heard.includes('again'))
  expect(subscriber.problem).toBe('')
})

test('stopped before it has found Redis, it stops trying to connect', async () => {
  await redis.halt()
  subscriberOf(redis.url)
    .start()
    .catch(() => {})
  await until('it is known', () => /refuses the connection/.test(subscriber.problem))
  await subscriber.stop()
  await redis.start()
  await until('the others are back', () => admin.status === 'ready')
  expect(await admin.publish('metrics', 'late')).toBe(0)
  expect(subscriber.problem).not.toBe('')
})

describe('the password may stand', () => {
  beforeEach(() => admin.config('SET', 'requirepass', 'secret'))

  test.each<[string, (port: number) => PlainSubscriber]>([
    ['in the URL', (port) => subscriberOf(`redis://:secret@127.0.0.1:${port}`)],
    ['beside it', (port) => subscriberOf(`redis://127.0.0.1:${port}`, 'secret')],
  ])('%s', async (_where, open) => {
    await open(redis.port).start()
    expect(subscriber.problem).toBe('')
  })
})
