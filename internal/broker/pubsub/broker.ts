import type { Logger } from 'pino'
import {
  type Broker,
  type BrokerHealth,
  type MessageHandler,
  newStats,
  type SubscribeOptions,
  type Subscription,
} from '../broker.ts'
import { Deliveries } from '../deliveries.ts'
import { HashRing } from '../hash-ring.ts'
import { ChannelListener } from '../redis/channel-listener.ts'
import { RedisConnection, type RedisOptions } from '../redis/connection.ts'
import { RedisLiveChannel } from '../redis/live-channel.ts'
import { RedisCheckpoints } from './checkpoints.ts'

export interface PubSubOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  /** Channels over which the keys are spread: `metrics`, or with more than one `metrics:0`, `metrics:1` … */
  readonly partitions?: number
  /** The partitions that this server consumes; all of them unless told otherwise. Each belongs to one server. */
  readonly consumes?: readonly number[]
}

const CHANNEL = 'metrics'

/**
 * Redis Pub/Sub: at most once. A message that nobody listens to is gone, and its publisher is told so by the 0; what Redis sends
 * to a server that dies or is too slow is lost, and found by the gap in `seq`. On a Redis Cluster any one node will do (PUBLISH
 * reaches all of them); sharded channels are not used.
 */
export class PubSubBroker implements Broker {
  readonly kind = 'pubsub'
  readonly stats = newStats()
  readonly live: RedisLiveChannel
  readonly checkpoints: RedisCheckpoints
  readonly #options: PubSubOptions
  readonly #channels: readonly string[]
  readonly #ring: HashRing
  readonly #commands: RedisConnection
  readonly #subscriptions = new Set<PubSubSubscription>()

  constructor(options: PubSubOptions) {
    const { redis, logger, partitions = 1, consumes } = options
    this.#options = options
    this.#ring = new HashRing(partitions)
    this.#channels = channelNames(partitions)
    this.#commands = new RedisConnection({ redis, purpose: 'commands', logger, stats: this.stats })
    this.live = new RedisLiveChannel({ redis, commands: this.#commands, stats: this.stats, logger })
    this.checkpoints = new RedisCheckpoints(this.#commands, consumes)
  }

  whenTried(): Promise<void> {
    return this.#commands.whenTried()
  }

  publish(key: string, payload: Buffer): Promise<number> {
    const channel = this.#channels[this.#ring.partitionOf(key)]!
    return this.#commands.send((client) => client.publish(channel, payload))
  }

  async subscribe(handler: MessageHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    const { redis, logger, consumes } = this.#options
    const channels = consumes === undefined ? this.#channels : consumes.map((partition) => this.#channel(partition))
    const deliveries = new Deliveries(handler, options, this.stats, logger)
    const listener = new ChannelListener(
      { redis, purpose: 'metrics', logger, stats: this.stats },
      channels,
      (payload) => deliveries.deliverOnce(payload),
    )
    const subscription = new PubSubSubscription(listener, () => this.#subscriptions.delete(subscription))
    this.#subscriptions.add(subscription)
    await listener.connection.whenUp()
    return subscription
  }

  health(): BrokerHealth {
    for (const { listener } of this.#subscriptions) {
      const health = listener.connection.health()
      if (!health.connected) return health
    }
    return this.#commands.health()
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#subscriptions, (subscription) => subscription.close()))
    await this.live.close()
    await this.#commands.close()
  }

  #channel(partition: number): string {
    const channel = this.#channels[partition]
    if (channel === undefined) throw new RangeError(`no partition ${partition}: there are ${this.#channels.length}`)
    return channel
  }
}

class PubSubSubscription implements Subscription {
  readonly listener: ChannelListener
  readonly #leave: () => void

  constructor(listener: ChannelListener, leave: () => void) {
    this.listener = listener
    this.#leave = leave
  }

  pause(): void {
    this.listener.pause()
  }

  resume(): void {
    this.listener.resume()
  }

  ack(): void {}
  storeAway(): void {}

  stop(): Promise<void> {
    return this.listener.stop()
  }

  async close(): Promise<void> {
    await this.listener.close()
    this.#leave()
  }
}

export function channelNames(partitions: number): string[] {
  return partitions === 1 ? [CHANNEL] : Array.from({ length: partitions }, (_, partition) => `${CHANNEL}:${partition}`)
}
