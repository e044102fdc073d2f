import type { Logger } from 'pino'
import {
  type Broker,
  type BrokerHealth,
  type BrokerUse,
  type CutOff,
  type MessageHandler,
  newStats,
  type SubscribeOptions,
  type Subscription,
  type Unread,
} from '../broker.ts'
import { Deliveries } from '../deliveries.ts'
import { HashRing } from '../hash-ring.ts'
import { ChannelListener } from '../redis/channel-listener.ts'
import type { RedisOptions } from '../redis/client.ts'
import { RedisConnection } from '../redis/connection.ts'
import { liveRights, RedisLiveChannel } from '../redis/live-channel.ts'
import { sendPayload } from '../redis/prepared-command.ts'
import { allOf, type NeededRights } from '../redis/rights.ts'
import { RedisSnapshots, snapshotRights } from '../redis/snapshots.ts'
import { RedisCheckpoints } from './checkpoints.ts'
import { channelNames } from './names.ts'
import { askCutOff } from './output-limit.ts'
import { PubSubSubscription } from './subscription.ts'

export interface PubSubOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  /** The number of channels over which keys are spread; 1 by default. */
  readonly partitions?: number
  /** The partitions that this server consumes; all of them by default. Each belongs to one server. */
  readonly consumes?: readonly number[]
  /** What this process does: each new connection finds out whether its user may. Nothing by default. */
  readonly uses?: readonly BrokerUse[]
}

/**
 * Redis Pub/Sub: at most once. A message without a subscriber is gone, and `publish` returns 0. A server that dies
 * loses what Redis had sent it; the gap in `seq` shows that. One that is too slow stops to listen in good time, before
 * Redis cuts it off (`ReadingWatch`). A Redis Cluster is refused: PUBLISH reaches all
 * nodes, but counts the servers on its own node only. Sharded channels are not used.
 */
export class PubSubBroker implements Broker {
  readonly kind = 'pubsub'
  readonly stats = newStats()
  readonly live: RedisLiveChannel
  readonly snapshots: RedisSnapshots
  readonly checkpoints: RedisCheckpoints
  readonly #options: PubSubOptions
  readonly #channels: readonly string[]
  readonly #publishNames: readonly string[]
  readonly #ring: HashRing
  readonly #commands: RedisConnection
  readonly #subscriptions = new Set<PubSubSubscription>()

  constructor(options: PubSubOptions) {
    const { redis, logger, partitions = 1, consumes, uses = [] } = options
    this.#options = options
    this.#ring = new HashRing(partitions)
    this.#channels = channelNames(partitions)
    this.#publishNames = this.#channels.map((channel) => `PUBLISH ${channel}`)
    this.#commands = new RedisConnection({
      redis,
      purpose: 'commands',
      logger,
      stats: this.stats,
      rights: () => this.#rightsFor(uses),
      cameBack: (lostAtMs) => {
        for (const { listener } of this.#subscriptions) listener.follow(lostAtMs)
        this.live.follow(lostAtMs)
        this.snapshots.follow(lostAtMs)
      },
    })
    const shared = { redis, commands: this.#commands, stats: this.stats, logger }
    this.live = new RedisLiveChannel(shared)
    this.snapshots = new RedisSnapshots(shared)
    this.checkpoints = new RedisCheckpoints(this.#commands, consumes)
  }

  whenTried(): Promise<void> {
    return this.#commands.whenTried()
  }

  publish(key: string, payload: Buffer): Promise<number> {
    const partition = this.#ring.partitionOf(key)
    const channel = this.#channels[partition]!
    return this.#commands.send(this.#publishNames[partition]!, (client) =>
      sendPayload<number>(client, 'publish', [channel], payload),
    )
  }

  async subscribe(handler: MessageHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    const { redis, logger } = this.#options
    const channels = this.#consumed()
    const deliveries = new Deliveries(handler, options, this.stats, logger)
    const listener = new ChannelListener(
      { redis, purpose: 'metrics', logger, stats: this.stats },
      channels,
      (payload) => deliveries.deliverOnce(payload),
    )
    const parts = { commands: this.#commands, logger, stats: this.stats }
    const subscription = new PubSubSubscription(listener, parts, () => this.#subscriptions.delete(subscription))
    this.#subscriptions.add(subscription)
    await listener.connection.whenUp()
    return subscription
  }

  get unread(): Unread | undefined {
    const [first, ...others] = Array.from(this.#subscriptions, ({ watch }) => watch.unread)
    if (first === undefined) return undefined
    return others.reduce((a, b) => ({ ageMs: Math.max(a.ageMs, b.ageMs), bytes: a.bytes + b.bytes }), first)
  }

  get behind(): string {
    return Array.from(this.#subscriptions, ({ watch }) => watch.behind).find((text) => text !== '') ?? ''
  }

  cutOff(): Promise<CutOff> {
    return askCutOff(this.#commands.client)
  }

  health(): BrokerHealth {
    for (const { listener } of this.#subscriptions) {
      const health = listener.connection.health()
      if (!health.connected) return health
    }
    return this.live.health() ?? this.snapshots.health() ?? this.#commands.health()
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#subscriptions, (subscription) => subscription.close()))
    await this.live.close()
    await this.snapshots.close()
    await this.#commands.close()
  }

  #rightsFor(uses: readonly BrokerUse[]): NeededRights {
    const publish = { commands: [], publishes: this.#channels, subscribes: [] }
    const consume = { commands: this.checkpoints.rights, publishes: [], subscribes: this.#consumed() }
    return allOf([
      ...(uses.includes('publish') ? [publish] : []),
      ...(uses.includes('consume') ? [consume] : []),
      liveRights(uses),
      snapshotRights(uses),
    ])
  }

  /** The channels of this server. */
  #consumed(): readonly string[] {
    const { consumes } = this.#options
    return consumes === undefined ? this.#channels : consumes.map((partition) => this.#channel(partition))
  }

  #channel(partition: number): string {
    const channel = this.#channels[partition]
    if (channel === undefined)
      throw new RangeError(`there is no partition ${partition}: they are numbered 0 to ${this.#channels.length - 1}`)
    return channel
  }
}
