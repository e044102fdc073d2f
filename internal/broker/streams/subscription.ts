import type { Logger } from 'pino'
import { LogThrottle } from '../../observe/log-throttle.ts'
import type {
  BrokerHealth,
  BrokerStats,
  MessageHandler,
  PartitionBacklog,
  SubscribeOptions,
  Subscription,
} from '../broker.ts'
import { Deliveries } from '../deliveries.ts'
import type { RedisOptions } from '../redis/client.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { AckSender } from './ack-sender.ts'
import { Backlog } from './backlog.ts'
import { bulkOf, idIn, tieOf } from './entry.ts'
import { streamKey, TOPICS_KEY } from './names.ts'
import { ReadGate } from './read-gate.ts'
import { StreamsReader } from './reader.ts'
import { MAX_RENEWED, renew } from './scripts.ts'
import { Trials } from './trials.ts'
import { Unacked } from './unacked.ts'

const LOG_EVERY_MS = 60_000
/** As many as a setting allows. */
const MAX_PARTITIONS = 256

export interface SubscriptionOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly topic: string
  /** Of the partitions that are known. It grows. */
  readonly keys: string[]
  readonly group: string
  readonly consumer: string
  readonly visibilityMs: number
  readonly maxUnacked: number
  readonly backlogIntervalMs: number
  readonly forgetAfterMs: number
  readonly trialPauseMs: number
  readonly commands: RedisConnection
  readonly handler: MessageHandler
  readonly options: SubscribeOptions
  /** Called once, when it is closed. */
  readonly leave: () => void
}

/**
 * One consumer of the group. It wires its parts: the reader, the read gate before it, the trials of suspects beside
 * it, the unacked entries behind it, and the sender of acks. It renews the entries that it owns, so
 * that no other consumer claims them.
 */
export class StreamsSubscription implements Subscription {
  readonly #options: SubscriptionOptions
  readonly #deliveries: Deliveries
  readonly #unacked: Unacked
  readonly #acks: AckSender
  readonly #gate = new ReadGate()
  readonly #reader: StreamsReader
  readonly #trials: Trials
  readonly #backlog: Backlog
  readonly #throttle: LogThrottle
  readonly #renewal: NodeJS.Timeout
  #paused = false
  #storeAway = false
  #stopped: Promise<void> | undefined
  #closed: Promise<void> | undefined
  /** The next renewal leaves out entries from this delivery on: they are too young. */
  #renewBefore = 0

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.#deliveries = new Deliveries(options.handler, options.options, options.stats, options.logger)
    this.#unacked = new Unacked(options.keys.length)
    this.#throttle = new LogThrottle(options.logger, { everyMs: LOG_EVERY_MS })
    this.#trials = new Trials({
      ...options,
      throttle: this.#throttle,
      pauseMs: options.trialPauseMs,
      unackedCount: () => this.#unacked.size,
      deliver: (partition, id, payload) => {
        const bulk = bulkOf(id)
        return this.#deliver(partition, bulk, 0, bulk.length, payload, true)
      },
      onPoison: (...poison) => this.#deliveries.poison(...poison),
      holdsBackChanged: () => this.#updateGate(),
    })
    this.#acks = new AckSender({
      ...options,
      unacked: this.#unacked,
      answered: () => {
        this.#updateGate()
        this.#trials.unackedFell()
      },
    })
    this.#reader = new StreamsReader({
      ...options,
      gate: this.#gate,
      deliver: (partition, bytes, idAt, idEnd, payload, redelivered) => {
        const problem = this.#deliver(partition, bytes, idAt, idEnd, payload, redelivered)
        if (problem !== '') this.#trials.add(partition, idIn(bytes, idAt, idEnd), 1, problem)
      },
      timing: options.options.timing ?? { readWithinMs: () => Infinity, nothingForMs: () => {} },
      readers: () => this.#backlog.readers,
      partitionOptions: (key, partition) => ({
        ...options,
        key,
        partition,
        knownIds: () => [...this.#unacked.idsOf(partition), ...this.#trials.idsOf(partition)],
        mayClaim: () => !this.#storeAway && this.#trials.count < options.maxUnacked,
        groupMade: () => this.#backlog.groupMade(partition),
        suspect: (id, deliveries) => this.#trials.add(partition, id, deliveries, ''),
      }),
    })
    this.#backlog = new Backlog({
      ...options,
      throttle: this.#throttle,
      intervalMs: options.backlogIntervalMs,
      findPartitions: () => this.#findPartitions(),
    })
    this.#renewal = setInterval(() => this.#renew(), options.visibilityMs / 3).unref()
  }

  async start(): Promise<void> {
    await this.#reader.connection.whenUp()
    await this.#backlog.announce()
    this.#reader.start()
    await this.#backlog.start()
  }

  health(): BrokerHealth | undefined {
    const health = this.#reader.connection.health()
    return health.connected ? undefined : health
  }

  get backlog(): PartitionBacklog[] {
    return this.#backlog.partitions
  }

  get hasNamesake(): boolean {
    return this.#backlog.hasNamesake
  }

  pause(): void {
    this.#setPaused(true)
  }

  resume(): void {
    this.#setPaused(false)
  }

  storeAway(isAway: boolean): void {
    this.#storeAway = isAway
    this.#trials.storeAway(isAway)
  }

  ack(upTo: number): void {
    this.#unacked.ackUpTo(upTo)
    this.#acks.schedule()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#reader.stop()
    this.#trials.setPaused(true)
    // A reader that waits at the shut gate must see that it is to stop.
    this.#gate.notifyWaiters()
    return this.#stopped
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.stop()
    clearInterval(this.#renewal)
    await this.#acks.close()
    await Promise.all([this.#trials.close(), this.#backlog.close(), this.#reader.close()])
    this.#throttle.flush()
    this.#options.leave()
  }

  /** @returns what the handler threw; '' when it took the entry, which is then unacked */
  #deliver(
    partition: number,
    bytes: Buffer,
    idAt: number,
    idEnd: number,
    payload: Buffer,
    redelivered: boolean,
  ): string {
    this.#unacked.push(partition, bytes, idAt, idEnd)
    const problem = this.#deliveries.deliver(payload, tieOf(partition, bytes, idEnd), redelivered)
    if (problem !== '') this.#unacked.cancelLast()
    else if (this.#unacked.size >= this.#options.maxUnacked) this.#updateGate()
    return problem
  }

  #setPaused(paused: boolean): void {
    this.#paused = paused
    this.#trials.setPaused(paused || this.#stopped !== undefined)
    this.#updateGate()
  }

  #updateGate(): void {
    this.#gate.set(!this.#paused && !this.#trials.holdsBack && this.#unacked.size < this.#options.maxUnacked)
  }

  /** A gateway of the queue makes partitions when someone asks for them. */
  async #findPartitions(): Promise<void> {
    const { commands, topic, keys, logger } = this.#options
    // Past the refusals: a user of Redis that may not see it reads the partitions of the settings.
    const [count] = commands.up ? await commands.client.hmget(TOPICS_KEY, topic).catch(() => []) : []
    const partitions = Math.min(Number(count ?? 0), MAX_PARTITIONS)
    if (!(partitions > keys.length) || this.#stopped !== undefined) return
    logger.info({ topic, before: keys.length, partitions }, 'the topic has more partitions: they are read too')
    while (keys.length < partitions) {
      const key = streamKey(topic, keys.length)
      this.#unacked.addPartition()
      keys.push(key)
      this.#reader.addPartition(key)
    }
  }

  /** Also without entries: the command shows other consumers that this one is alive. */
  async #renew(): Promise<void> {
    const { keys, group, consumer, commands, logger } = this.#options
    const before = this.#renewBefore
    this.#renewBefore = this.#unacked.nextDelivery
    try {
      for (const [partition, key] of keys.entries()) {
        const ids = [
          ...this.#unacked.idsOf(partition, before),
          ...this.#reader.undeliveredIds(partition),
          ...this.#trials.idsOf(partition),
        ]
        for (let from = 0; from === 0 || from < ids.length; from += MAX_RENEWED) {
          const some = ids.slice(from, from + MAX_RENEWED)
          await commands.send(`EVAL ${key}`, (client) => renew(client, key, group, consumer, some))
        }
      }
    } catch (error) {
      logger.debug(
        { err: error },
        'entries could not be renewed; the next attempt follows in a third of the visibility time',
      )
    }
  }
}
