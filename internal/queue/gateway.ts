import type { Logger } from 'pino'
import { type BrokerStats, newStats } from '../broker/broker.ts'
import type { GroupState } from '../broker/queue-state.ts'
import type { RedisOptions } from '../broker/redis/client.ts'
import { RedisConnection } from '../broker/redis/connection.ts'
import { lookAtGroups } from '../broker/streams/groups.ts'
import { LatencyRecorder } from '../observe/latency.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { Consumer, type ConsumerSink } from './consumer.ts'
import { Group } from './group.ts'
import { type MessageId, parseMessageId } from './message-id.ts'
import { partitionKeys } from './names.ts'
import type { Produced } from './partition.ts'
import { Reports } from './reports.ts'
import { queueRights } from './rights.ts'
import { Topics } from './topics.ts'

export interface GatewayOptions {
  readonly redis: RedisOptions
  /** Topics that are there from the start. */
  readonly topics: readonly string[]
  /** How many partitions a topic begins with. */
  readonly partitions: number
  readonly maxPartitions: number
  readonly maxTopics: number
  /** Entries of a partition in Redis that some group has not acked: beyond it messages go to disk. */
  readonly queueSize: () => number
  /** How long a message may be without an ack before it goes to another consumer. */
  readonly visibilityMs: () => number
  /** Messages that a consumer may have without an ack. */
  readonly maxInFlight: () => number
  /** The folder of the messages on disk. It belongs to this gateway alone. */
  readonly folder: string
  /** The most bytes that wait on disk. */
  readonly maxBytes: () => number
  /** A group that nobody has read for so long is named in the log while messages wait on disk for it. */
  readonly idleGroupMs?: number
  /** The same after a restart, and different for each gateway. */
  readonly name: string
  /** Different at each start: a letter, then letters and digits. */
  readonly epoch: string
  readonly nowMs: () => number
  readonly logger: Logger
  readonly throttle: LogThrottle
}

/** Counted since the start. */
export interface GatewayStats {
  /** Messages that Redis has got at once, and those that the disk had first. */
  producedToRedis: number
  producedToDisk: number
  /** Messages that neither took. */
  refused: number
  /** Messages sent to consumers, and those of them that were not sent for the first time. */
  consumed: number
  requeued: number
  acked: number
  /** Acks of messages that wait for none. */
  unknownAcks: number
}

/** What `/topics?detail=true` shows of a partition. */
export interface PartitionState {
  readonly partition: number
  /** Entries in Redis, acked or not. */
  readonly length: number
  /** Messages on this gateway's disk. */
  readonly overflow: number
  readonly overflowBytes: number
  readonly groups: readonly GroupState[]
}

/** A consumer that is connected. */
export interface ConsumerPlace {
  /** Whether its connection takes bytes. */
  readonly isDrained: boolean
  /** Its connection has passed on what waited. */
  drained(): void
  /** What it has not acked goes to others. */
  leave(): void
}

const IDLE_GROUP_MS = 3_600_000
const TICK_MS = 1000
/** Partitions that nothing has happened to are looked at in each such tick. */
const EVERY_TICKS = 10

/**
 * The queue over the streams of Redis: takes messages, hands them to the consumers of groups, and forgets what all
 * groups have acked. What Redis does not take waits on this gateway's disk, its only state. Any number of gateways work
 * beside each other.
 */
export class Gateway {
  readonly stats: GatewayStats = {
    ...{ producedToRedis: 0, producedToDisk: 0, refused: 0 },
    ...{ consumed: 0, requeued: 0, acked: 0, unknownAcks: 0 },
  }
  readonly topics: Topics
  readonly latencies = {
    /** From a message's arrival until Redis or the disk has it. */
    produce: new LatencyRecorder(),
    ack: new LatencyRecorder(),
    /** From when a message was taken until it was sent to a consumer for the first time. */
    deliver: new LatencyRecorder(),
  }
  readonly #options: GatewayOptions
  readonly #brokerStats: BrokerStats = newStats()
  readonly #connection: RedisConnection
  readonly #reports: Reports
  readonly #groups = new Map<string, Group>()
  readonly #closing = new Set<Promise<void>>()
  #consumers = 0
  #ticks = 0
  #ticker: NodeJS.Timeout | undefined
  #ticking: Promise<void> | undefined

  constructor(options: GatewayOptions) {
    this.#options = options
    const { redis, logger, topics, partitions } = options
    this.#connection = new RedisConnection({
      ...{ redis, purpose: 'commands', logger, stats: this.#brokerStats },
      rights: () => queueRights(topics[0] ?? 'telemetry', partitions),
    })
    this.topics = new Topics({ ...options, connection: this.#connection })
    this.#reports = new Reports({
      ...{ connection: this.#connection, name: options.name, topics: this.topics, maxBytes: options.maxBytes, logger },
      connected: () => this.connected(),
    })
    this.topics.onGrown = () => {
      for (const group of this.#groups.values()) group.changed()
    }
  }

  /**
   * Resolves when Redis was tried, and what earlier processes left on disk is taken over.
   *
   * @throws BrokerError `refused` when a server answers that can never be the broker
   */
  async start(): Promise<void> {
    await this.#connection.whenTried()
    await this.topics.start()
    this.#ticker = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** Why Redis does not do what it is asked, in words; '' where it does. */
  get redisProblem(): string {
    return this.#connection.health().problem
  }

  get reconnects(): number {
    return this.#brokerStats.reconnects
  }

  /** Consumers that are connected. */
  get consumers(): number {
    return this.#consumers
  }

  /**
   * Resolves when Redis or the disk has the message.
   *
   * @param partition undefined: the key decides
   * @throws TooManyTopics
   * @throws DiskError where neither takes it now
   */
  async produce(topic: string, partition: number | undefined, key: string, payload: Buffer): Promise<Produced> {
    const beginMs = performance.now()
    const { topics } = this
    if (topics.count(topic) <= (partition ?? 0)) await topics.ensure(topic, partition)
    const place = await topics.partition(topic, partition ?? topics.partitionOf(topic, key))
    try {
      const produced = await place.produce(payload)
      if (produced.durable === 'redis') this.stats.producedToRedis++
      else this.stats.producedToDisk++
      this.latencies.produce.record(Math.round((performance.now() - beginMs) * 1000))
      return produced
    } catch (error) {
      this.stats.refused++
      throw error
    }
  }

  /**
   * Sends messages of a partition, or of all, to a consumer from now on.
   *
   * @param topic is there (`topics.ensure`)
   * @returns what is to be told of the consumer's connection
   */
  join(
    topic: string,
    partition: number | undefined,
    group: string,
    { name, sink }: { readonly name: string; readonly sink: ConsumerSink },
  ): ConsumerPlace {
    const { maxInFlight } = this.#options
    const consumer = new Consumer({ name, partition, maxInFlight, sink })
    const key = `${topic} ${group}`
    const joined = this.#groups.get(key) ?? this.#openGroup(key, topic, group)
    joined.join(consumer)
    this.#consumers++
    let hasLeft = false
    return {
      get isDrained() {
        return consumer.isDrained
      },
      drained: () => {
        consumer.drained()
        joined.changed()
      },
      leave: () => {
        if (hasLeft) return
        hasLeft = true
        this.#consumers--
        this.#later(this.#leave(key, joined, consumer))
      },
    }
  }

  /**
   * Acks messages of a topic for a group.
   *
   * @param partition where it is given, of that one alone
   * @returns those of the ids that are no message which waits for an ack of this group
   * @throws BrokerError
   */
  async ack(topic: string, partition: number | undefined, group: string, ids: readonly string[]): Promise<string[]> {
    const beginMs = performance.now()
    const open = this.#groups.get(`${topic} ${group}`)
    const acked = await Promise.all(
      ids.map(async (text) => {
        const id = parseMessageId(text)
        if (id === undefined || (partition !== undefined && id.partition !== partition)) return false
        return this.#ack(topic, group, id, open?.entryOf(text))
      }),
    )
    for (const [i, id] of ids.entries()) if (acked[i] === true) open?.acked(id)
    const unknown = ids.filter((_, i) => acked[i] !== true)
    this.stats.acked += ids.length - unknown.length
    this.stats.unknownAcks += unknown.length
    this.latencies.ack.record(Math.round((performance.now() - beginMs) * 1000))
    return unknown
  }

  /** How each partition of a topic stands. @throws BrokerError */
  async partitionsOf(topic: string): Promise<PartitionState[]> {
    const open = new Map(
      this.topics.open.filter((each) => each.topic === topic).map((each) => [each.partition, each.overflow]),
    )
    const partitions = Array.from({ length: this.topics.count(topic) }, (_, partition) => partition)
    return Promise.all(
      partitions.map(async (partition) => {
        const { stream } = partitionKeys(topic, partition)
        const { length, groups } = await this.#connection.send(`EVAL ${stream}`, (client) =>
          lookAtGroups(client, stream),
        )
        const { messages = 0, bytes = 0 } = open.get(partition) ?? {}
        return { partition, length, groups, overflow: messages, overflowBytes: bytes }
      }),
    )
  }

  /** Who is connected to this gateway. */
  *connected(): Generator<{ readonly topic: string; readonly group: string; readonly consumer: Consumer }> {
    for (const [key, group] of this.#groups) {
      const [topic = '', name = ''] = key.split(' ')
      for (const consumer of group.consumers) yield { topic, group: name, consumer }
    }
  }

  /** Ends all streams. What consumers have not acked goes to others, and what is on disk stays there. */
  async close(): Promise<void> {
    clearInterval(this.#ticker)
    await Promise.all([...this.#groups.values()].map((group) => group.close()))
    this.#groups.clear()
    await Promise.all(this.#closing)
    await this.#ticking
    await this.#reports.leave()
    await this.topics.close()
    await this.#connection.close()
  }

  #openGroup(key: string, topic: string, group: string): Group {
    const { redis, logger, visibilityMs, nowMs, name } = this.#options
    const opened = new Group({
      ...{ topic, group, redis, logger, visibilityMs, nowMs },
      ...{ reader: name, commands: this.#connection, stats: this.#brokerStats },
      partitions: () => this.topics.count(topic),
      onSent: (ageMs, again) => {
        this.stats.consumed++
        if (again) this.stats.requeued++
        else this.latencies.deliver.record(Math.max(0, Math.round(ageMs * 1000)))
      },
    })
    this.#groups.set(key, opened)
    return opened
  }

  async #leave(key: string, group: Group, consumer: Consumer): Promise<void> {
    await group.leave(consumer)
    if (group.consumers.length > 0 || this.#groups.get(key) !== group) return
    this.#groups.delete(key)
    await group.close()
  }

  async #ack(topic: string, group: string, { partition, entry, mark }: MessageId, known?: string): Promise<boolean> {
    const keys = partitionKeys(topic, partition)
    const id =
      known ?? entry ?? (await this.#connection.send(`HGET ${keys.ids}`, (client) => client.hget(keys.ids, mark ?? '')))
    if (id === null) return false
    const acked = await this.#connection.send(`XACK ${keys.stream}`, (client) => client.xack(keys.stream, group, id))
    if (acked === 0) return false
    this.topics.acked(topic, partition)
    return true
  }

  #tick(): void {
    this.#ticking ??= this.#tickAll().finally(() => {
      this.#ticking = undefined
    })
  }

  async #tickAll(): Promise<void> {
    const isDue = this.#ticks++ % EVERY_TICKS === 0
    await this.topics.refresh()
    await Promise.all(this.topics.open.map((partition) => partition.tidy(isDue)))
    await this.#reports.say()
    if (isDue) await this.#nameIdleGroups()
  }

  /** A group that nobody uses holds messages for ever, and nobody would know why the disk fills. Never fails. */
  async #nameIdleGroups(): Promise<void> {
    const { throttle, idleGroupMs = IDLE_GROUP_MS, logger } = this.#options
    for (const { topic, partition, keys, overflow } of this.topics.open) {
      if (overflow.messages === 0 || !this.#connection.up) continue
      try {
        const { groups } = await this.#connection.send(`EVAL ${keys.stream}`, (client) =>
          lookAtGroups(client, keys.stream),
        )
        for (const { group, lag = 1, pending, idleMs, oldestAgeMs } of groups) {
          if (lag + pending === 0 || (idleMs ?? oldestAgeMs) < idleGroupMs) continue
          throttle.warn(
            `idle ${topic} ${group}`,
            { topic, partition, group, idleMs, onDisk: overflow.messages },
            'messages wait on disk for a group that nobody reads: connect a consumer, or let go of it with XGROUP DESTROY',
          )
        }
      } catch (err) {
        logger.debug({ err }, 'whether a group is idle is not known')
      }
    }
  }

  #later(work: Promise<void>): void {
    const logged = work.catch((err: unknown) => this.#options.logger.warn({ err }, 'a consumer has left untidily'))
    this.#closing.add(logged)
    void logged.finally(() => this.#closing.delete(logged))
  }
}
