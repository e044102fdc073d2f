import { Redis } from 'ioredis'
import { pino } from 'pino'
import type { Broker } from '../../internal/broker/broker.ts'
import { type BrokerOptions, openBroker } from '../../internal/broker/open.ts'
import type { PubSubOptions } from '../../internal/broker/pubsub/broker.ts'
import type { StreamsOptions } from '../../internal/broker/streams/broker.ts'
import { streamKeys } from '../../internal/broker/streams/names.ts'
import { startRedis, type TestServer } from './servers.ts'

export const GROUP = 'sentinel'

/** The Redis of one test file, the brokers that its tests open, and a connection to inspect Redis. */
export interface RedisScene {
  readonly server: TestServer
  readonly admin: Redis
  /** Opens a broker; `closeBrokers` closes it. */
  open(kind: 'pubsub' | 'streams', options?: Partial<PubSubOptions & StreamsOptions>): Promise<Broker>
  closeBrokers(): Promise<void>
  /** Deletes all keys. */
  empty(): Promise<void>
  stop(): Promise<void>
  /** Entries that the group has read and not acked, of the default topic and its four partitions. */
  pending(): Promise<Pending[]>
  /** How many calls of a command Redis has counted since its start. */
  calls(command: string): Promise<number>
}

export interface Pending {
  readonly key: string
  readonly id: string
  readonly consumer: string
  readonly deliveries: number
}

type PendingReply = Array<[id: string, consumer: string, idleMs: number, deliveries: number]>

function nonePending(error: Error): PendingReply {
  if (error.message.startsWith('NOGROUP')) return []
  throw error
}

export async function startRedisScene(args: string[] = []): Promise<RedisScene> {
  const server = await startRedis({ args })
  const admin = new Redis(server.port, { retryStrategy: () => 50, maxRetriesPerRequest: null })
  admin.on('error', () => {})
  const opened: Broker[] = []
  const logger = pino({ level: 'silent' })
  return {
    server,
    admin,
    async open(kind, options = {}) {
      const redis = { url: server.url }
      const broker = await openBroker({ kind, redis, logger, consumer: 'server-1', ...options } as BrokerOptions)
      opened.push(broker)
      return broker
    },
    async closeBrokers() {
      for (const broker of opened.splice(0)) await broker.close()
    },
    async empty() {
      await admin.flushall()
    },
    async stop() {
      admin.disconnect()
      await server.stop()
    },
    async pending() {
      const found: Pending[] = []
      for (const key of streamKeys('telemetry', 4)) {
        // A partition has no stream before its first message, and no group before its first server.
        const entries = (await admin.xpending(key, GROUP, '-', '+', 100_000).catch(nonePending)) as PendingReply
        for (const [id, consumer, , deliveries] of entries) found.push({ key, id, consumer, deliveries })
      }
      return found
    },
    async calls(command) {
      const stats = await admin.info('commandstats')
      return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0)
    },
  }
}
