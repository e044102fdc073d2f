import type { Redis } from 'ioredis'
import { checkTransition, type Transitions } from '../../lifecycle/transition.ts'
import { BrokerError } from '../broker.ts'
import type { RedisOptions } from '../redis/client.ts'
import { RedisConnection } from '../redis/connection.ts'
import { isReply } from '../redis/problem.ts'
import { idOf, payloadOf, type RawEntry } from './entry.ts'
import { PendingSearch, type PendingSearchOptions } from './pending-search.ts'
import type { ReadGate } from './read-gate.ts'
import { makeGroup } from './scripts.ts'

export interface PartitionReaderOptions extends Omit<PendingSearchOptions, 'maxBytes'> {
  readonly redis: RedisOptions
  /** Shut while the consumer takes no more entries. */
  readonly gate: ReadGate
  /** Whether entries of other consumers may be claimed now. */
  readonly mayClaim: () => boolean
  readonly deliver: (id: string, payload: Buffer, redelivered: boolean) => void
  /** Told when the group was missing, and is made. */
  readonly groupMade: () => void
}

type RawReply = Array<[key: Buffer, entries: RawEntry[]]> | null

type Mode = 'created' | 'running' | 'stopping'
type Step = 'claim found' | 'find own' | 'find abandoned' | 'read new'

const TRANSITIONS: Transitions<Mode> = {
  created: ['running', 'stopping'],
  running: ['stopping'],
  stopping: [],
}

/** How long Redis delays an empty answer, and how long `stop` may have to wait. */
const BLOCK_MS = 500
/** COUNT limits entries, and an entry may have 8 MiB. So COUNT follows the size of the entries that come. */
const TARGET_READ_BYTES = 2 * 2 ** 20
const FIRST_COUNT = 10
const MAX_COUNT = 1000
const RETRY_MS = 200
/** The command of each step, by which the connection knows what Redis refuses. */
const COMMANDS: Readonly<Record<Step, string>> = {
  'claim found': 'EVAL',
  'find own': 'XPENDING',
  'find abandoned': 'XPENDING',
  'read new': 'XREADGROUP',
}

/**
 * Reads one partition for one consumer of the group, over a connection of its own.
 *
 * | from             | to       | when                                                                              |
 * | ---------------- | -------- | --------------------------------------------------------------------------------- |
 * | created          | running  | `start`: rounds begin: wait for the connection and the gate, read, deliver        |
 * | created, running | stopping | `stop`, `close`: the present round ends                                           |
 *
 * Each round does the first of these steps that is due:
 *
 * | step           | what it does                                               | due                            |
 * | -------------- | ---------------------------------------------------------- | ------------------------------ |
 * | claim found    | claims and delivers pending entries that were found        | while some are left            |
 * | find own       | looks for entries that Redis counts as this consumer's     | after each connect and failure |
 * | find abandoned | looks for entries that others left for the visibility time | every third of that time       |
 * | read new       | reads and delivers entries that the group has not read     | always                         |
 */
export class PartitionReader {
  readonly connection: RedisConnection
  readonly #options: PartitionReaderOptions
  readonly #pending: PendingSearch
  #mode: Mode = 'created'
  #count = FIRST_COUNT
  /** Read, and delivered before `#next`. The rest is left over when the gate shuts in the middle. */
  #batch: RawEntry[] = []
  #next = 0
  #redelivered = false
  #hadGroup = false
  #running: Promise<void> | undefined

  constructor(options: PartitionReaderOptions) {
    this.#options = options
    this.#pending = new PendingSearch({ ...options, maxBytes: TARGET_READ_BYTES })
    this.connection = new RedisConnection({
      redis: options.redis,
      purpose: `queue:${options.partition}`,
      logger: options.logger,
      stats: options.stats,
      setUp: (client) => this.#makeGroup(client),
    })
  }

  start(): void {
    if (this.#mode !== 'created') return
    this.#become('running')
    this.#running = this.#run()
  }

  /** Delivers entries that have been read, unless the gate is shut: then they stay in Redis. */
  async stop(): Promise<void> {
    this.#become('stopping')
    // Without a connection there is no answer to wait for, and the loop would wait for the next connection.
    if (!this.connection.up) await this.connection.close()
    await this.#running
  }

  async close(): Promise<void> {
    this.#become('stopping')
    await this.connection.close()
    await this.#running
  }

  /** Entries read and not yet delivered: they must be renewed too. */
  undeliveredIds(): string[] {
    return this.#batch.slice(this.#next).map(idOf)
  }

  async #run(): Promise<void> {
    const { gate } = this.#options
    while (!this.#isStopping()) {
      try {
        await this.connection.whenUp()
        while (!gate.open && !this.#isStopping()) await gate.whenChanged()
        if (this.#isStopping()) return
        this.#batch = await this.#read(this.#nextStep())
        this.#next = 0
      } catch (error) {
        await this.#recover(error)
      }
      await this.#deliverBatch()
    }
  }

  #nextStep(): Step {
    if (this.#pending.hasFound) return 'claim found'
    if (this.#pending.ownIsDue) return 'find own'
    if (this.#pending.abandonedIsDue && this.#options.mayClaim()) return 'find abandoned'
    return 'read new'
  }

  #read(step: Step): Promise<RawEntry[]> {
    this.#redelivered = step !== 'read new'
    return this.connection.send(`${COMMANDS[step]} ${this.#options.key}`, (client) => this.#take(client, step))
  }

  async #take(client: Redis, step: Step): Promise<RawEntry[]> {
    switch (step) {
      case 'claim found':
        return this.#pending.claimFound(client)
      case 'find own':
        await this.#pending.findOwn(client)
        return []
      case 'find abandoned':
        await this.#pending.findAbandoned(client)
        return []
      case 'read new':
        return this.#readNew(client)
    }
  }

  async #readNew(client: Redis): Promise<RawEntry[]> {
    const { group, consumer, key } = this.#options
    const reply = (await client.callBuffer(
      'XREADGROUP',
      ...['GROUP', group, consumer, 'COUNT', this.#count, 'BLOCK', BLOCK_MS, 'STREAMS', key, '>'],
    )) as RawReply
    return reply?.[0]?.[1] ?? []
  }

  async #deliverBatch(): Promise<void> {
    const { gate, deliver } = this.#options
    let bytes = 0
    for (; this.#next < this.#batch.length; this.#next++) {
      // Not in a function of its own: after one more turn another reader may have shut the gate again.
      while (!gate.open && !this.#isStopping()) await gate.whenChanged()
      if (!gate.open) return
      const entry = this.#batch[this.#next]!
      const payload = payloadOf(entry)
      bytes += payload.length
      deliver(idOf(entry), payload, this.#redelivered)
    }
    this.#fitCount(bytes, this.#batch.length)
    this.#batch = []
    this.#next = 0
  }

  /**
   * At most twice as many as last time, so that one small message before many large ones does not raise COUNT too far.
   */
  #fitCount(bytes: number, entries: number): void {
    if (entries === 0) return
    const fitting = Math.ceil(TARGET_READ_BYTES / Math.max(1, bytes / entries))
    this.#count = Math.max(1, Math.min(MAX_COUNT, this.#count * 2, fitting))
  }

  /**
   * After any failure an answer may be lost on its way. Redis counts its entries as ours, so the search for them starts
   * again.
   */
  async #recover(error: unknown): Promise<void> {
    if (this.#isStopping()) return
    this.#pending.restart()
    if (!this.connection.up) return
    const { logger, partition, key } = this.#options
    const cause = error instanceof BrokerError ? error.cause : error
    try {
      if (isReply(cause) && /^(NOGROUP|UNBLOCKED)/.test(cause.message)) {
        await this.connection.send(`EVAL ${key}`, (client) => this.#makeGroup(client))
        return
      }
      // The connection has logged what Redis refuses.
      if (!isReply(cause)) logger.warn({ err: error, partition }, 'reading from Redis failed; trying again')
    } catch (failure) {
      logger.debug({ err: failure, partition }, 'the consumer group could not be created; trying again')
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }

  async #makeGroup(client: Redis): Promise<void> {
    const { key, group, partition, stats, logger, groupMade } = this.#options
    const made = await makeGroup(client, key, group, this.#hadGroup)
    if (made && this.#hadGroup) {
      stats.groupsRemade++
      logger.warn({ partition, group }, 'the consumer group had vanished from Redis and was created again')
    }
    if (made && !this.#hadGroup) stats.groupsMade++
    if (made) groupMade()
    this.#hadGroup = true
    this.#pending.restart()
  }

  #isStopping(): boolean {
    return this.#mode === 'stopping'
  }

  /** The only place that changes the mode. */
  #become(next: Mode): void {
    if (this.#mode === next) return
    if (checkTransition('a reader', TRANSITIONS, this.#mode, next)) this.#mode = next
  }
}
