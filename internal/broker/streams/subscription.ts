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
import type { RedisConnection, RedisOptions } from '../redis/connection.ts'
import { Backlog } from './backlog.ts'
import { tieOf } from './entry.ts'
import { PartitionReader } from './partition-reader.ts'
import { Gate } from './read-gate.ts'
import { MAX_RENEWED, renew } from './scripts.ts'
import { Trials } from './trials.ts'
import { Unacked } from './unacked.ts'

const ACK_INTERVAL_MS = 20
const ACKS_A_COMMAND = 1000
const LOG_EVERY_MS = 60_000

export interface SubscriptionOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly keys: readonly string[]
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
  readonly leave: () => void
}

/** One consumer of the group: reads all partitions, renews what it holds, and acks it. */
export class StreamsSubscription implements Subscription {
  readonly #options: SubscriptionOptions
  readonly #deliveries: Deliveries
  readonly #unacked: Unacked
  readonly #gate = new Gate()
  readonly #readers: readonly PartitionReader[]
  readonly #trials: Trials
  readonly #backlog: Backlog
  readonly #throttle: LogThrottle
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
    this.#deliveries = new Deliveries(options.handler, options.options, options.stats, options.logger)
    this.#unacked = new Unacked(options.keys.length)
    this.#throttle = new LogThrottle(options.logger, { everyMs: LOG_EVERY_MS })
    this.#trials = new Trials({
      ...options,
      throttle: this.#throttle,
      pauseMs: options.trialPauseMs,
      unackedCount: () => this.#unacked.size,
      deliver: (partition, id, payload) => this.#deliver(partition, id, payload, true),
      onPoison: (...poison) => this.#deliveries.poison(...poison),
      changed: () => this.#updateGate(),
    })
    this.#readers = options.keys.map(
      (key, partition) =>
        new PartitionReader({
          ...options,
          key,
          partition,
          gate: this.#gate,
          held: () => [...this.#unacked.idsOf(partition), ...this.#trials.idsOf(partition)],
          mayTakeOver: () => !this.#storeAway && this.#trials.count < options.maxUnacked,
          deliver: (from, id, payload, redelivered) => {
            const problem = this.#deliver(from, id, payload, redelivered)
            if (problem !== '') this.#trials.add({ partition, id, deliveries: 1, failures: undefined, problem })
          },
          suspect: (from, id, deliveries) =>
            this.#trials.add({ partition: from, id, deliveries, failures: undefined, problem: '' }),
        }),
    )
    this.#backlog = new Backlog({ ...options, throttle: this.#throttle, intervalMs: options.backlogIntervalMs })
    this.#renewal = setInterval(() => this.#renew(), options.visibilityMs / 3).unref()
  }

  async start(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.connection.whenUp()))
    for (const reader of this.#readers) reader.start()
    this.#backlog.start()
  }

  health(): BrokerHealth | undefined {
    return this.#readers.map((reader) => reader.connection.health()).find((health) => !health.connected)
  }

  get backlog(): PartitionBacklog[] {
    return this.#backlog.partitions
  }

  pause(): void {
    this.#pause(true)
  }

  resume(): void {
    this.#pause(false)
  }

  storeAway(isAway: boolean): void {
    this.#storeAway = isAway
    this.#trials.storeAway(isAway)
  }

  ack(upTo: number): void {
    this.#unacked.ackUpTo(upTo)
    if (this.#unacked.ackingCount === 0) return
    if (this.#unacked.ackingCount >= ACKS_A_COMMAND) this.#flush()
    else this.#flushLater()
  }

  stop(): Promise<void> {
    this.#stopped ??= Promise.all(this.#readers.map((reader) => reader.stop())).then(() => {})
    this.#trials.mayTry(false)
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
    await Promise.all([this.#trials.close(), this.#backlog.close(), ...this.#readers.map((reader) => reader.close())])
    this.#throttle.flush()
    this.#options.leave()
  }

  /** @returns what the handler threw; '' when it took the entry, which then waits for its ack */
  #deliver(partition: number, id: string, payload: Buffer, redelivered: boolean): string {
    this.#unacked.push(partition, id)
    const problem = this.#deliveries.deliver(payload, tieOf(partition, id), redelivered)
    if (problem !== '') this.#unacked.withdraw()
    else if (this.#unacked.size >= this.#options.maxUnacked) this.#updateGate()
    return problem
  }

  #pause(paused: boolean): void {
    this.#paused = paused
    this.#trials.mayTry(!paused && this.#stopped === undefined)
    this.#updateGate()
  }

  #updateGate(): void {
    this.#gate.set(!this.#paused && !this.#trials.holdsBack && this.#unacked.size < this.#options.maxUnacked)
  }

  #flushLater(): void {
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined
      this.#flush()
    }, ACK_INTERVAL_MS).unref()
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
    this.#trials.wake()
    if (this.#unacked.ackingCount > 0) this.#flushLater()
    // What failed is sent again: acking twice does no harm.
    return results.every((result) => result.status === 'fulfilled')
  }

  /** Also where nothing is held: a consumer that shows itself is alive. */
  async #renew(): Promise<void> {
    const { keys, group, consumer, commands, logger } = this.#options
    const before = this.#renewBefore
    this.#renewBefore = this.#unacked.nextDelivery
    try {
      for (const [partition, key] of keys.entries()) {
        const ids = [
          ...this.#unacked.idsOf(partition, before),
          ...this.#readers[partition]!.waitingIds(),
          ...this.#trials.idsOf(partition),
        ]
        for (let from = 0; from === 0 || from < ids.length; from += MAX_RENEWED) {
          const some = ids.slice(from, from + MAX_RENEWED)
          await commands.send((client) => renew(client, key, group, consumer, some))
        }
      }
    } catch (error) {
      logger.debug({ err: error }, 'entries could not be renewed, next attempt in a third of the visibility time')
    }
  }
}
