import type { Logger } from 'pino'
import {
  type Broker,
  type BrokerHealth,
  type BrokerUse,
  type MessageHandler,
  newStats,
  type PartitionBacklog,
  type SubscribeOptions,
  type Subscription,
} from '../broker.ts'
import { HashRing } from '../hash-ring.ts'
import type { RedisOptions } from '../redis/client.ts'
import { RedisConnection } from '../redis/connection.ts'
import { liveRights, RedisLiveChannel } from '../redis/live-channel.ts'
import { sendPayload } from '../redis/prepared-command.ts'
import { allOf } from '../redis/rights.ts'
import { RedisSnapshots, snapshotRights } from '../redis/snapshots.ts'
import { PAYLOAD_FIELD } from './entry.ts'
import { streamKeys } from './names.ts'
import { lookRights, StreamsQueue } from './queue-reader.ts'
import { consumeRights, publishRights } from './rights.ts'
import { StreamsSubscription } from './subscription.ts'

export interface StreamsOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  readonly topic?: string
  readonly partitions?: number
  readonly group?: string
  /**
   * The same after a restart, and different for each server: entries that it had not acked are delivered to it again.
   */
  readonly consumer: string
  /** What this process does: each new connection finds out whether its user may. Nothing by default. */
  readonly uses?: readonly BrokerUse[]
  /** The least number of entries that a partition keeps, read or not: older ones are trimmed. */
  readonly maxLength?: number
  /** Where it is not 0, entries older than this are trimmed, and `maxLength` has no effect. */
  readonly maxAgeMs?: number
  /** The visibility time: entries neither acked nor renewed for this long go to another consumer. */
  readonly visibilityMs?: number
  /** The number of unacked entries at which this process stops reading. */
  readonly maxUnacked?: number
  /** How often Redis is asked for the backlog of the partitions. */
  readonly backlogIntervalMs?: number
  /** Consumers idle for this long and without pending entries are removed from the group. */
  readonly forgetAfterMs?: number
  /** The unit of the waits before trials of suspects: 1 s, but for tests. */
  readonly trialPauseMs?: number
}

export const DEFAULT_MAX_LENGTH = 250_000

const DEFAULTS = {
  topic: 'telemetry',
  partitions: 4,
  group: 'sentinel',
  maxLength: DEFAULT_MAX_LENGTH,
  visibilityMs: 30_000,
  maxAgeMs: 0,
  maxUnacked: 50_000,
  backlogIntervalMs: 5000,
  forgetAfterMs: 3_600_000,
  trialPauseMs: 1000,
}

/**
 * Redis Streams: at least once. A message stays in Redis until it is acked. Messages that a dead server has not acked
 * are delivered again, to the same consumer or, after the visibility time, to another. Every server of the group reads
 * all partitions.
 *
 * A partition is a stream of its own, `queue:{<topic>:<p>}`, and no command touches two of them.
 */
export class StreamsBroker implements Broker {
  readonly kind = 'streams'
  readonly stats = newStats()
  readonly live: RedisLiveChannel
  readonly snapshots: RedisSnapshots
  readonly queue: StreamsQueue
  readonly #options: StreamsOptions & typeof DEFAULTS
  readonly #keys: readonly string[]
  readonly #addNames: readonly string[]
  readonly #ring: HashRing
  readonly #commands: RedisConnection
  #subscription: StreamsSubscription | undefined
  /**
   * The clock of Redis at the last publish, ms. Trimming by our own clock would let a host whose clock is ahead empty
   * the streams.
   */
  #redisTimeMs = 0

  constructor(options: StreamsOptions) {
    const { redis, logger, uses = [] } = options
    this.#options = { ...DEFAULTS, ...options }
    this.#ring = new HashRing(this.#options.partitions)
    this.#keys = streamKeys(this.#options.topic, this.#options.partitions)
    this.#addNames = this.#keys.map((key) => `XADD ${key}`)
    const { group, consumer } = this.#options
    this.#commands = new RedisConnection({
      redis,
      purpose: 'commands',
      logger,
      stats: this.stats,
      rights: () =>
        allOf([
          ...(uses.includes('publish') ? [publishRights(this.#keys)] : []),
          ...(uses.includes('consume') ? [consumeRights(this.#keys, group, consumer)] : []),
          ...(uses.includes('look') ? [lookRights(this.#keys)] : []),
          liveRights(uses),
          snapshotRights(uses),
        ]),
      cameBack: (lostAtMs) => {
        this.live.follow(lostAtMs)
        this.snapshots.follow(lostAtMs)
      },
    })
    const shared = { redis, commands: this.#commands, stats: this.stats, logger }
    this.live = new RedisLiveChannel(shared)
    this.snapshots = new RedisSnapshots(shared)
    const { topic, partitions, maxLength, maxAgeMs } = this.#options
    const trimsAt = maxAgeMs > 0 ? undefined : maxLength
    this.queue = new StreamsQueue({ commands: this.#commands, topic, partitions, trimsAt })
  }

  whenTried(): Promise<void> {
    return this.#commands.whenTried()
  }

  async publish(key: string, payload: Buffer): Promise<number> {
    const partition = this.#ring.partitionOf(key)
    const stream = this.#keys[partition]!
    const { maxLength, maxAgeMs } = this.#options
    const [kind, bound] = maxAgeMs > 0 ? ['MINID', Math.max(0, this.#redisTimeMs - maxAgeMs)] : ['MAXLEN', maxLength]
    const args = [stream, kind, '~', `${bound}`, '*', PAYLOAD_FIELD]
    const id = await this.#commands.send(this.#addNames[partition]!, (client) =>
      sendPayload<string | null>(client, 'xadd', args, payload),
    )
    if (maxAgeMs > 0) this.#redisTimeMs = Number.parseInt(id ?? '0', 10)
    return 1
  }

  async subscribe(handler: MessageHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#subscription !== undefined)
      throw new Error('a consumer has one subscription, and this broker has one already')
    const subscription = new StreamsSubscription({
      ...this.#options,
      stats: this.stats,
      keys: [...this.#keys],
      commands: this.#commands,
      handler,
      options,
      leave: () => {
        this.#subscription = undefined
      },
    })
    this.#subscription = subscription
    await subscription.start()
    return subscription
  }

  get backlog(): PartitionBacklog[] {
    return this.#subscription?.backlog ?? []
  }

  get hasNamesake(): boolean {
    return this.#subscription?.hasNamesake ?? false
  }

  health(): BrokerHealth {
    const health = this.#commands.health()
    return health.connected
      ? (this.#subscription?.health() ?? this.live.health() ?? this.snapshots.health() ?? health)
      : health
  }

  async close(): Promise<void> {
    await this.#subscription?.close()
    await this.live.close()
    await this.snapshots.close()
    await this.#commands.close()
  }
}
