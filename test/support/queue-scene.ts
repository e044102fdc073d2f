import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { Gateway, type GatewayOptions } from '../../internal/queue/gateway.ts'
import { startRedis, type TestServer, until } from './servers.ts'

/** A message as a consumer of the queue gets it. */
export interface Received {
  readonly id: string
  readonly payload: string
  readonly encoding?: string
  readonly created_at: string
  readonly topic: string
  readonly partition: number
}

/** A consumer that notes what it gets. */
export interface TestConsumer {
  readonly received: Received[]
  /** Its connection takes nothing until it is told. */
  isStuck: boolean
  readonly ended: () => boolean
  drained(): void
  leave(): void
}

/** The Redis of one test file, and the gateways that its tests open. */
export interface QueueScene {
  readonly server: TestServer
  readonly admin: Redis
  open(options?: Partial<GatewayOptions>): Promise<Gateway>
  /** A folder that is removed at the end. */
  folder(): Promise<string>
  closeGateways(): Promise<void>
  stop(): Promise<void>
}

export async function startQueueScene(args: string[] = []): Promise<QueueScene> {
  const server = await startRedis({ args })
  const admin = new Redis(server.port, { retryStrategy: () => 50, maxRetriesPerRequest: null })
  admin.on('error', () => {})
  const opened: Gateway[] = []
  const folders: string[] = []
  const folder = async (): Promise<string> => {
    const made = await mkdtemp(join(tmpdir(), 'sentinel-queue-'))
    folders.push(made)
    return made
  }
  return {
    server,
    admin,
    folder,
    async open(options = {}) {
      const made = options.folder ?? (await folder())
      const gateway = await openGateway({ redis: { url: server.url }, folder: made, ...options })
      opened.push(gateway)
      return gateway
    },
    async closeGateways() {
      for (const gateway of opened.splice(0)) await gateway.close()
    },
    async stop() {
      for (const gateway of opened.splice(0)) await gateway.close()
      admin.disconnect()
      await server.stop()
      for (const made of folders) await rm(made, { recursive: true, force: true })
    },
  }
}

let gateways = 0

/** A gateway that has started. Without a folder it must keep nothing on disk. */
export async function openGateway(options: Pick<GatewayOptions, 'redis'> & Partial<GatewayOptions>): Promise<Gateway> {
  const logger = pino({ level: 'silent' })
  gateways++
  const gateway = new Gateway({
    topics: [],
    ...{ partitions: 4, maxPartitions: 64, maxTopics: 16 },
    queueSize: () => 2000,
    visibilityMs: () => 30_000,
    maxInFlight: () => 256,
    folder: '/nowhere',
    maxBytes: () => 64 * 2 ** 20,
    ...{ name: `gateway-${gateways}`, epoch: `k${gateways}abcdef`, nowMs: () => Date.now() },
    ...{ logger, throttle: new LogThrottle(logger) },
    ...options,
  })
  await gateway.start()
  return gateway
}

/** Connects a consumer. @param partition undefined for all */
export async function connect(
  gateway: Gateway,
  topic: string,
  group: string,
  partition?: number,
): Promise<TestConsumer> {
  const received: Received[] = []
  let ended = false
  const state = { isStuck: false }
  const sink = {
    write(text: string) {
      received.push(...eventsIn(text))
      return !state.isStuck
    },
    end() {
      ended = true
    },
  }
  await gateway.topics.ensure(topic, partition)
  const place = gateway.join(topic, partition, group, { name: 'test', sink })
  return Object.assign(state, { received, ended: () => ended, drained: place.drained, leave: place.leave })
}

/** The messages in a text of whole events. */
export function eventsIn(text: string): Received[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as Received)
}

export function payloadsOf({ received }: Pick<TestConsumer, 'received'>): string[] {
  return received.map(({ payload }) => payload)
}

/** Waits until a consumer has so many messages. */
export function untilReceived(consumer: TestConsumer, count: number, limitMs?: number): Promise<void> {
  return until(`${count} messages have come`, () => consumer.received.length >= count, limitMs)
}
