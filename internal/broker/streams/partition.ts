import type { Redis } from 'ioredis'
import { BrokerError } from '../broker.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { isReply, nextAfter } from '../redis/problem.ts'
import type { RawEntry } from './entry.ts'
import { PendingSearch, type PendingSearchOptions } from './pending-search.ts'
import { makeGroup } from './scripts.ts'

export interface PartitionOptions extends PendingSearchOptions {
  /** Whether entries of other consumers may be claimed now. */
  readonly mayClaim: () => boolean
  /** Told when the group was missing, and is made. */
  readonly groupMade: () => void
}

/** How long a partition is left alone after Redis has refused something. */
export const RETRY_MS = 200

/**
 * What comes before the next new entries of one partition. Its reader does the first of these steps that is due:
 *
 * | step           | what it does                                               | due                            |
 * | -------------- | ---------------------------------------------------------- | ------------------------------ |
 * | make group     | creates the consumer group where there is none             | on each connection, and in doubt |
 * | claim found    | claims pending entries that were found                     | while some are left            |
 * | find own       | looks for entries that Redis counts as this consumer's     | after each connect and failure |
 * | find abandoned | looks for entries that others left for the visibility time | every third of that time       |
 *
 * Where Redis refuses one, the partition rests, and the others go on.
 */
export class Partition {
  readonly #options: PartitionOptions
  readonly #pending: PendingSearch
  #hasGroup = false
  #hadGroup = false
  #restsUntilMs = 0

  constructor(options: PartitionOptions) {
    this.#options = options
    this.#pending = new PendingSearch(options)
  }

  get key(): string {
    return this.#options.key
  }

  /** Whether a step is due. */
  get isDue(): boolean {
    if (performance.now() < this.#restsUntilMs) return false
    return !this.isReadable || (this.#pending.abandonedIsDue && this.#options.mayClaim())
  }

  /** Whether its new entries may be read: the pending ones are delivered before. */
  get isReadable(): boolean {
    return this.#hasGroup && !this.#pending.hasFound && !this.#pending.ownIsDue
  }

  /** Does the step that is due, never rejects. @returns entries to deliver again */
  async step(connection: RedisConnection): Promise<RawEntry[]> {
    try {
      return await this.#step(connection)
    } catch (error) {
      this.#failed(error, connection.up)
      return []
    }
  }

  /**
   * On each new connection, before it counts as up. @throws Error when the connection is of no use
   */
  async connected(client: Redis): Promise<void> {
    this.#hasGroup = false
    try {
      await this.#makeGroup(client)
    } catch (error) {
      // The next step asks again, and its refusal counts for the health of the connection.
      if (!isReply(error) || nextAfter(error) === 'renew') throw error
    }
  }

  /**
   * A read failed, so its answer may be lost on its way. Redis counts its entries as this consumer's: the search for
   * them starts again.
   *
   * @param mayLackGroup whether the group may be missing
   */
  readFailed(mayLackGroup: boolean): void {
    this.#pending.restart()
    if (mayLackGroup) this.#hasGroup = false
  }

  async #step(connection: RedisConnection): Promise<RawEntry[]> {
    const { key } = this.#options
    if (!this.#hasGroup) {
      await connection.send(`EVAL ${key}`, (client) => this.#makeGroup(client))
      return []
    }
    if (this.#pending.hasFound) return connection.send(`EVAL ${key}`, (client) => this.#pending.claimFound(client))
    await connection.send(`XPENDING ${key}`, (client) =>
      this.#pending.ownIsDue ? this.#pending.findOwn(client) : this.#pending.findAbandoned(client),
    )
    return []
  }

  #failed(error: unknown, isUp: boolean): void {
    const cause = error instanceof BrokerError ? error.cause : error
    const lacksGroup = isReply(cause) && /^NOGROUP/.test(cause.message)
    this.readFailed(lacksGroup)
    if (lacksGroup) return
    this.#restsUntilMs = performance.now() + RETRY_MS
    const { logger, partition } = this.#options
    // The connection has logged what Redis refuses.
    if (isUp && !isReply(cause)) logger.warn({ err: error, partition }, 'reading from Redis failed; trying again')
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
    this.#hasGroup = true
    this.#pending.restart()
  }
}
