import type { Logger } from 'pino'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { BrokerStats, PartitionBacklog, SubscribeOptions } from '../broker.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { isReply } from '../redis/problem.ts'
import { Namesake } from './namesake.ts'
import { forgetConsumers, type Inspection, inspect } from './scripts.ts'
import { StreamPositions } from './stream-positions.ts'

export interface BacklogOptions {
  readonly keys: readonly string[]
  readonly group: string
  readonly consumer: string
  readonly commands: RedisConnection
  readonly stats: BrokerStats
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly intervalMs: number
  /** Consumers idle for this long and without pending entries are removed from the group. */
  readonly forgetAfterMs: number
  /** Called before each look: a topic may have more partitions by now. Never fails. */
  readonly findPartitions: () => Promise<void>
  readonly options: Pick<SubscribeOptions, 'positions' | 'onSettled'>
}

/** Values older than this many polls are not shown, because they may be wrong by now. */
const STALE_POLLS = 3
const SECOND_LOOK_MS = 1000
const FORGET_INTERVAL_MS = 600_000

/**
 * Asks Redis every few seconds what each partition still has for the group, and counts entries that were trimmed
 * unread. Every server of the group asks and sees the same; Redis reports each trimmed entry to one of them.
 */
export class Backlog {
  readonly #options: BacklogOptions
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined
  readonly #polled: Array<Inspection | undefined> = []
  readonly #positions: StreamPositions
  readonly #namesake: Namesake
  readonly #startedAtMs = performance.now()
  #polledAtMs = 0
  #forgetAtMs = 0
  #polling: Promise<void> | undefined

  constructor(options: BacklogOptions) {
    this.#options = options
    this.#positions = new StreamPositions(options.options.positions, options.logger)
    this.#namesake = new Namesake(options)
  }

  /** To be called before anything is read. */
  announce(): Promise<void> {
    return this.#namesake.announce()
  }

  /** Whether another process reads as the same consumer. */
  get hasNamesake(): boolean {
    return this.#namesake.isThere
  }

  /** Servers that read for the group, this one too, at the last look. */
  get readers(): number {
    return 1 + Math.max(0, ...this.#polled.map((each) => each?.othersReading ?? 0))
  }

  /** To be called when the consumer groups exist. */
  async start(): Promise<void> {
    await this.#positions.load()
    const { intervalMs } = this.#options
    this.#timer = setInterval(() => this.#poll(), intervalMs).unref()
    // Servers that are started together see each other with the second look, and take turns from then on.
    this.#soon = setTimeout(() => this.#poll(), Math.min(SECOND_LOOK_MS, intervalMs)).unref()
    this.#poll()
  }

  /** By partition, without those for which Redis gave no answer for a while. */
  get partitions(): PartitionBacklog[] {
    const tooOld = performance.now() - this.#polledAtMs > STALE_POLLS * this.#options.intervalMs
    if (tooOld) return []
    return this.#polled.flatMap((each, partition) => {
      if (each === undefined) return []
      const { lag, pending, oldestAgeMs, unreadAgeMs } = each
      return [{ partition, lag, pending, oldestAgeMs, unreadAgeMs }]
    })
  }

  /** The group of a partition was missing, and is made again. */
  groupMade(partition: number): void {
    this.#positions.groupMade(this.#options.keys[partition]!)
    if (this.#timer !== undefined) this.#poll()
  }

  /** Asks once more, after the last acks. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    await this.#polling
    if (this.#timer === undefined || !this.#options.commands.up) return
    await this.#pollAll()
    await this.#namesake.leave()
  }

  #poll(): void {
    this.#polling ??= this.#pollAll().finally(() => {
      this.#polling = undefined
    })
  }

  async #pollAll(): Promise<void> {
    const { keys, logger } = this.#options
    const nowMs = performance.now()
    const forget = nowMs >= this.#forgetAtMs
    try {
      await this.#options.findPartitions()
      await this.#namesake.look()
      await Promise.all(keys.map((key, partition) => this.#pollOne(key, partition, forget)))
      this.#polledAtMs = performance.now()
      this.#reportSettled(nowMs)
      await this.#positions.save()
      if (forget) this.#forgetAtMs = nowMs + FORGET_INTERVAL_MS
    } catch (error) {
      logger.debug({ err: error }, 'the backlog could not be read; the next attempt follows in a few seconds')
    }
  }

  async #pollOne(key: string, partition: number, forget: boolean): Promise<void> {
    const { group, consumer, commands, stats, logger, forgetAfterMs } = this.#options
    try {
      const known = this.#positions.of(key)
      const inspection = await commands.send(`EVAL ${key}`, (client) =>
        inspect(client, { key, group, consumer, ...known }),
      )
      const { trimmedUnread, hasVanished, position } = inspection
      this.#polled[partition] = inspection
      this.#positions.set(key, position)
      if (trimmedUnread > 0) this.#report(partition, trimmedUnread)
      stats.trimmedUnread += trimmedUnread
      if (hasVanished) this.#reportVanished(partition)
      if (!forget) return
      const forgotten = await commands.send(`EVAL ${key}`, (client) =>
        forgetConsumers(client, key, group, consumer, forgetAfterMs),
      )
      if (forgotten > 0)
        logger.info({ partition, consumers: forgotten }, 'removed consumers that have been gone for long')
    } catch (error) {
      this.#polled[partition] = undefined
      // A reply means that the group has vanished, and the reader creates it again. Any other error holds for all
      // partitions.
      const cause = error instanceof Error ? error.cause : undefined
      if (!isReply(cause)) throw error
      logger.debug({ err: error, partition }, 'the backlog of a partition could not be read')
    }
  }

  /** An entry that is not acked is at most as old as the oldest one in Redis. */
  #reportSettled(nowMs: number): void {
    const { keys, options } = this.#options
    const inspections = keys.flatMap((_, partition) => this.#polled[partition] ?? [])
    if (inspections.length < keys.length || this.#namesake.isUnsure) return
    const oldestAgeMs = Math.max(...inspections.map((each) => each.oldestAgeMs))
    const othersIdleMs = Math.min(...inspections.map((each) => each.othersIdleMs ?? Infinity))
    const isAlone = othersIdleMs > nowMs - this.#startedAtMs && !this.#namesake.isThere
    options.onSettled?.(nowMs - oldestAgeMs, isAlone)
  }

  #reportVanished(partition: number): void {
    this.#options.stats.streamsVanished++
    this.#options.logger.error(
      { partition, key: this.#options.keys[partition] },
      'the stream in Redis is not the one that it was (deleted, evicted, or Redis restarted without its data): what no server had read is lost, how much is unknown. Give Redis persistence and maxmemory-policy noeviction',
    )
  }

  #report(partition: number, messages: number): void {
    this.#options.throttle.error(
      `trimmed ${partition}`,
      { partition, messages },
      'Redis trimmed messages that no server had read: add servers, or raise broker.maxLength or broker.maxAgeMs',
    )
  }
}
