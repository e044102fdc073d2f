import { Redis } from 'ioredis'
import pino from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PubSubBroker } from '../../internal/broker/pubsub/broker.ts'
import { StreamsBroker } from '../../internal/broker/streams/broker.ts'
import { startRedis, type TestServer } from '../../test/support/servers.ts'
import { sendCommands } from './commands.ts'

const logger = pino({ level: 'silent' })
const KEYS = Array.from({ length: 20 }, (_, n) => `bench-${n}`)

let server: TestServer
let watcher: Redis

beforeAll(async () => {
  server = await startRedis()
  watcher = new Redis(server.url)
})
afterAll(async () => {
  watcher.disconnect()
  await server.stop()
})

/** The commands that Redis gets from a broker that publishes each key as its own payload. */
async function commandsOf(broker: PubSubBroker | StreamsBroker): Promise<Buffer[]> {
  const monitor = await watcher.monitor()
  const seen: string[][] = []
  monitor.on('monitor', (_time: string, args: string[]) => seen.push(args))
  await broker.whenTried()
  for (const key of KEYS) await broker.publish(key, Buffer.from(key))
  await expect.poll(() => seen.filter((args) => KEYS.includes(args.at(-1)!)).length).toBe(KEYS.length)
  monitor.disconnect()
  await broker.close()
  return seen
    .filter((args) => KEYS.includes(args.at(-1)!))
    .map(([name, ...args]) => {
      const parts = [name!.toUpperCase(), ...args]
      return Buffer.from(`*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`)
    })
}

/** The commands that Redis gets from a load. */
function commandsOfLoad(load: Parameters<typeof sendCommands>[0]): Buffer[] {
  return sendCommands(load, KEYS).map((head, n) =>
    Buffer.concat([head, Buffer.from(`$${KEYS[n]!.length}\r\n${KEYS[n]}\r\n`)]),
  )
}

test.each([1, 5])('a load publishes to %i channels as the broker does', async (partitions) => {
  const redis = { url: server.url }
  const expected = await commandsOf(new PubSubBroker({ redis, logger, partitions }))
  expect(commandsOfLoad({ kind: 'pubsub', topic: 'unused', partitions })).toEqual(expected)
})

test.each([{}, { maxLength: 1234 }])('a load adds to streams as the broker does, %j', async (length) => {
  const options = { redis: { url: server.url }, logger, topic: 'bench', partitions: 3, consumer: 'a', ...length }
  const expected = await commandsOf(new StreamsBroker(options))
  expect(commandsOfLoad({ kind: 'streams', topic: 'bench', partitions: 3, ...length })).toEqual(expected)
})
