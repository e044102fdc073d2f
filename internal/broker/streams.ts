import type { Logger } from 'pino'
import {
  type Broker,
  type BrokerHealth,
  type BrokerStats,
  type MessageHandler,
  newStats,
  type SubscribeOptions,
  type Subscription,
} from './broker.ts'
import { Deliveries } from './deliveries.ts'
import { Gate } from './gate.ts'
import { HashRing } from './hash-ring.ts'
import { RedisLiveChannel } from './live-channel.ts'
import { PAYLOAD_FIELD, PartitionReader } from './partition-reader.ts'
import { RedisConnection, type RedisOptions } from './redis.ts'
import { Unacked } from './unacked.ts'

export interface StreamsOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  readonly topic?: string
  readonly partitions?: number
  readonly group?: string
  /** The same after a restart, and another one for each server: what it had not acked comes to it again. */
  readonly consumer: string
  /** Entries that a partition keeps at least, read or not: older ones are trimmed away. */
  readonly maxLength?: number
  /** Entries that nobody acked or renewed for so long go to another consumer. */
  readonly visibilityMs?: number
  /** Entries held unacked by this process, at which it stops reading. */
  readonly maxUnacked?: number
}

const DEFAULTS = {
  topic: 'telemetry',
  partitions: 4,
  group: 'sentinel',
  maxLength: 250_000,
  visibilityMs: 30_000,
  maxUnacked: 50_000,
}
const ACK_INTERVAL_MS = 20
const ACKS_A_COMMAND = 1000
const RENEWED_A_COMMAND = 500

/**
 * Redis Streams: at least once. A message stays in Redis until it is acked; what a server that dies has not acked comes again, to
 * itself or, after the visibility time, to another. Every server of the group reads all partitions.
 *
 * A partition is a stream of its own, `queue:{<topic>:<p>}`, and no command touches two of them.
 */
export class StreamsBroker implements Broker {
  readonly kind = 'streams'
  readonly stats = newStats()
  readonly live: RedisLiveChannel
  readonly #options: StreamsOptions & typeof DEFAULTS
  readonly #keys: readonly string[]
  readonly #ring: HashRing
  readonly #commands: RedisConnection
  #subscription: StreamsSubscription | undefined

  constructor(options: StreamsOptions) {
    const { redis, logger } = options
    this.#options = { ...DEFAULTS, ...options }
    this.#ring = new HashRing(this.#options.partitions)
    this.#keys = streamKeys(this.#options.topic, this.#options.partitions)
    this.#commands = new RedisConnection({ redis, purpose: 'commands', logger, stats: this.stats })
    this.live = new RedisLiveChannel({ redis, commands: this.#commands, stats: this.stats, logger })
  }

  whenTried(): Promise<void> {
    return this.#commands.whenTried()
  }

  async publish(key: string, payload: Buffer): Promise<number> {
    const stream = this.#keys[this.#ring.partitionOf(key)]!
    await this.#commands.send((client) =>
      client.xadd(stream, 'MAXLEN', '~', this.#options.maxLength, '*', PAYLOAD_FIELD, payload),
    )
    return 1
  }

  async subscribe(handler: MessageHandler, poison: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#subscription !== undefined) throw new Error('a consumer has one subscription: this one is in use')
    const subscription = new StreamsSubscription({
      ...this.#options,
      stats: this.stats,
      keys: this.#keys,
      commands: this.#commands,
      handler,
      poison,
      leave: () => {
        this.#subscription = undefined
      },
    })
    this.#subscription = subscription
    await subscription.start()
    return subscription
  }

  health(): BrokerHealth {
    const health = this.#commands.health()
    return health.connected ? (this.#subscription?.health() ?? health) : health
  }

  async close(): Promise<void> {
    await this.#subscription?.close()
    await this.live.close()
    await this.#commands.close()
  }
}

/** The keys of a topic's partitions. The braces keep all of a partition's keys in one slot of a Redis Cluster. */
export function streamKeys(topic: string, partitions: number): string[] {
  return Array.from({ length: partitions }, (_, partition) => `queue:{${topic}:${partition}}`)
}

interface SubscriptionOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly keys: readonly string[]
  readonly group: string
  readonly consumer: string
  readonly visibilityMs: number
  readonly maxUnacked: number
  readonly commands: RedisConnection
  readonly handler: MessageHandler
  readonly poison: SubscribeOptions
  readonly leave: () => void
}

class StreamsSubscription implements Subscription {
  readonly canPause = true
  readonly #options: SubscriptionOptions
  readonly #deliveries: Deliveries
  readonly #unacked: Unacked
  readonly #gate = new Gate()
  readonly #readers: readonly PartitionReader[]
  readonly #renewal: NodeJS.Timeout
  #paused = false
  #storeAway = false
  #stopped: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #ackTimer: NodeJS.Timeout | undefined
  #flushing: Promise<boolean> | undefined
  /** Entries delivered from here on are too young to be renewed at the next round. */
  #renewBefore = 0

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.#deliveries = new Deliveries(options.handler, options.poison, options.stats, options.logger)
    this.#unacked = new Unacked(options.keys.length)
    this.#readers = options.keys.map(
      (key, partition) =>
        new PartitionReader({
          ...options,
          key,
          partition,
          gate: this.#gate,
          unacked: this.#unacked,
          mayTakeOver: () => !this.#storeAway,
          deliver: (from, id, payload, redelivered) => this.#deliver(from, id, payload, redelivered),
          forget: (from, id) => {
            this.#unacked.acking(from, id)
            this.#flushLater()
          },
        }),
    )
    this.#renewal = setInterval(() => this.#renew(), options.visibilityMs / 3).unref()
  }

  async start(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.connection.whenUp()))
    for (const reader of this.#readers) reader.start()
  }

  health(): BrokerHealth | undefined {
    return this.#readers.map((reader) => reader.connection.health()).find((health) => !health.connected)
  }

  pause(): void {
    this.#paused = true
    this.#updateGate()
  }

  resume(): void {
    this.#paused = false
    this.#updateGate()
  }

  storeAway(isAway: boolean): void {
    this.#storeAway = isAway
  }

  ack(upTo: number): void {
    this.#unacked.ackUpTo(upTo)
    if (this.#unacked.ackingCount === 0) return
    if (this.#unacked.ackingCount >= ACKS_A_COMMAND) this.#flush()
    else this.#flushLater()
  }

  stop(): Promise<void> {
    this.#stopped ??= Promise.all(this.#readers.map((reader) => reader.stop())).then(() => {})
    // One that waits at the shut gate must see that it is over.
    this.#gate.interrupt()
    return this.#stopped
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.stop()
    clearInterval(this.#renewal)
    clearTimeout(this.#ackTimer)
    while (this.#unacked.ackingCount > 0 && (await this.#flush())) clearTimeout(this.#ackTimer)
    clearTimeout(this.#ackTimer)
    await Promise.all(this.#readers.map((reader) => reader.close()))
    this.#options.leave()
  }

  #deliver(partition: number, id: string, payload: Buffer, redelivered: boolean): void {
    this.#unacked.push(partition, id)
    if (this.#unacked.size >= this.#options.maxUnacked) this.#updateGate()
    const problem = this.#deliveries.deliver(payload, tieOf(partition, id), redelivered)
    if (problem === '') return
    this.#deliveries
      .poison(Buffer.from(payload), id, 1, problem)
      .then(
        () =>
          this.#options.commands.send((client) => client.xack(this.#options.keys[partition]!, this.#options.group, id)),
        () => {},
      )
      .catch(() => {})
  }

  #updateGate(): void {
    this.#gate.set(!this.#paused && this.#unacked.size < this.#options.maxUnacked)
  }

  #flushLater(): void {
    this.#ackTimer ??= setTimeout(() => this.#flush(), ACK_INTERVAL_MS).unref()
  }

  /** One XACK a partition, all in one write. @returns false when Redis could not be told */
  #flush(): Promise<boolean> {
    this.#flushing ??= this.#sendAcks().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async #sendAcks(): Promise<boolean> {
    clearTimeout(this.#ackTimer)
    this.#ackTimer = undefined
    const { keys, group, commands } = this.#options
    const sent = keys.map(async (key, partition) => {
      const ids = this.#unacked.peekAcking(partition, ACKS_A_COMMAND)
      if (ids.length === 0) return
      await commands.send((client) => client.xack(key, group, ...ids))
      this.#unacked.acked(partition, ids.length)
    })
    const results = await Promise.allSettled(sent)
    this.#updateGate()
    if (this.#unacked.ackingCount > 0) this.#flushLater()
    // What failed is sent again: acking twice does no harm.
    return results.every((result) => result.status === 'fulfilled')
  }

  /** Tells Redis that we are alive and busy with what we hold, so that nobody takes it over. JUSTID leaves the delivery count as it is. */
  async #renew(): Promise<void> {
    const { keys, group, consumer, commands, logger } = this.#options
    const before = this.#renewBefore
    this.#renewBefore = this.#unacked.nextDelivery
    try {
      for (const [partition, key] of keys.entries()) {
        const ids = [...this.#unacked.idsOf(partition, before), ...this.#readers[partition]!.waitingIds()]
        for (let from = 0; from < ids.length; from += RENEWED_A_COMMAND) {
          const some = ids.slice(from, from + RENEWED_A_COMMAND)
          await commands.send((client) => client.xclaim(key, group, consumer, 0, ...some, 'JUSTID'))
        }
      }
    } catch (error) {
      logger.debug({ err: error }, 'entries could not be renewed, next attempt in a third of the visibility time')
    }
  }
}

/**
 * A number that an entry has at every delivery. Its sequence alone begins at 0 again in each millisecond and each partition, so entries of one
 * moment of a publisher would often share it; odd steps for both keep about 30 entries a millisecond apart in each of four partitions.
 */
function tieOf(partition: number, id: string): number {
  const dash = id.indexOf('-')
  const ms = Number(id.slice(Math.max(dash - 3, 0), dash))
  const sequence = Number(id.slice(Math.max(dash + 1, id.length - 3)))
  return (sequence + ms * 31 + partition * 251) % 1000
}
