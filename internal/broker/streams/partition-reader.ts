import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { BrokerStats } from '../broker.ts'
import { RedisConnection, type RedisOptions } from '../redis/connection.ts'
import { isReply } from '../redis/problem.ts'
import { idOf, payloadOf, type RawEntry } from './entry.ts'
import type { Gate } from './read-gate.ts'
import { claim, makeGroup } from './scripts.ts'
import { SUSPECT_AFTER } from './trials.ts'

export interface PartitionReaderOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly key: string
  readonly partition: number
  readonly group: string
  readonly consumer: string
  readonly visibilityMs: number
  /** Shut while the consumer wants nothing more. */
  readonly gate: Gate
  /** The ids of this partition that are held already, and must not be delivered again. */
  readonly held: () => Iterable<string>
  /** Asked before entries of others are looked for. */
  readonly mayTakeOver: () => boolean
  readonly deliver: (partition: number, id: string, payload: Buffer, redelivered: boolean) => void
  /** Takes care of an entry that is the consumer's and was delivered too often. */
  readonly suspect: (partition: number, id: string, deliveries: number) => void
}

type RawReply = Array<[key: Buffer, entries: RawEntry[]]> | null
type PendingEntry = [id: string, owner: string, idleMs: number, deliveries: number]

/** Pending entries that are to be delivered again, from `next` on. */
interface Wanted {
  readonly ids: readonly string[]
  readonly from: 'own' | { readonly idleMs: number }
  next: number
}

/** How long Redis holds back an empty answer; also how long `stop` may have to wait. */
const BLOCK_MS = 500
/** COUNT bounds entries, and an entry may have 8 MiB: so COUNT follows the size of what comes. */
const TARGET_READ_BYTES = 2 * 2 ** 20
const FIRST_COUNT = 10
const MAX_COUNT = 1000
/** Pending entries looked at in one command, which Redis does in less than a millisecond. */
const PENDING_COUNT = 1000
const RETRY_MS = 200

/**
 * Reads one partition for one consumer of the group, over a connection of its own. What comes first after each connect is what is
 * the consumer's already: the entries of its last life, and those of an answer that never arrived. Then what is new, and from time to time
 * what other consumers have let lie for longer than the visibility time.
 *
 * Pending entries are found by XPENDING and taken by XCLAIM: XREADGROUP would count a delivery for each that is held already, and XAUTOCLAIM
 * would give us what we hold ourselves. Both would make healthy entries look like poison.
 */
export class PartitionReader {
  readonly connection: RedisConnection
  readonly #options: PartitionReaderOptions
  /** Where in the consumer's own pending entries the search goes on; undefined when all have been found. */
  #ownPendingFrom: string | undefined = '-'
  /** By the monotonic timer: the wall clock may be set back by hours. */
  #takeOverAt: number
  /** Where in the group's pending entries the search for forsaken ones goes on: `-` is the beginning. */
  #takeOverFrom = '-'
  readonly #wanted: Wanted[] = []
  #count = FIRST_COUNT
  /** Read and not yet delivered, from `#next` on: the gate was shut in the middle. */
  #batch: RawEntry[] = []
  #next = 0
  #redelivered = false
  #hadGroup = false
  #stopping = false
  #running: Promise<void> | undefined

  constructor(options: PartitionReaderOptions) {
    this.#options = options
    this.#takeOverAt = this.#nextTakeOver()
    this.connection = new RedisConnection({
      redis: options.redis,
      purpose: `queue:${options.partition}`,
      logger: options.logger,
      stats: options.stats,
      setUp: (client) => this.#makeGroup(client),
    })
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Delivers what has been read, unless the gate is shut: then it stays in Redis. */
  async stop(): Promise<void> {
    this.#stopping = true
    // Without a connection there is no answer to wait for; the loop would wait for the next one.
    if (!this.connection.up) await this.connection.close()
    await this.#running
  }

  async close(): Promise<void> {
    this.#stopping = true
    await this.connection.close()
    await this.#running
  }

  /** Entries read and not yet delivered: they must be renewed too. */
  waitingIds(): string[] {
    return this.#batch.slice(this.#next).map(idOf)
  }

  async #run(): Promise<void> {
    const { gate } = this.#options
    while (!this.#stopping) {
      try {
        await this.connection.whenUp()
        while (!gate.open && !this.#stopping) await gate.passable()
        if (this.#stopping) return
        this.#batch = await this.#read()
        this.#next = 0
      } catch (error) {
        await this.#recover(error)
      }
      await this.#deliverBatch()
    }
  }

  /** May find nothing to deliver at once. */
  async #read(): Promise<RawEntry[]> {
    this.#redelivered = true
    if (this.#wanted.length > 0) return this.#claimWanted(this.#wanted[0]!)
    if (this.#ownPendingFrom !== undefined) await this.#findOwnPending(this.#ownPendingFrom)
    else if (performance.now() >= this.#takeOverAt && this.#options.mayTakeOver()) await this.#findForsaken()
    else {
      this.#redelivered = false
      return this.#readNew()
    }
    return []
  }

  async #readNew(): Promise<RawEntry[]> {
    const { group, consumer, key } = this.#options
    const reply = (await this.connection.client.callBuffer(
      'XREADGROUP',
      ...['GROUP', group, consumer, 'COUNT', this.#count, 'BLOCK', BLOCK_MS, 'STREAMS', key, '>'],
    )) as RawReply
    return reply?.[0]?.[1] ?? []
  }

  async #findOwnPending(from: string): Promise<void> {
    const { group, consumer, key } = this.#options
    const pending = (await this.connection.client.xpending(
      ...([key, group, from, '+', PENDING_COUNT, consumer] as const),
    )) as PendingEntry[]
    this.#ownPendingFrom = pending.length === PENDING_COUNT ? `(${pending.at(-1)![0]}` : undefined
    this.#wantOwn(pending)
  }

  /** Among them may be our own: entries that Redis gave to a connection of this consumer which was dead already. */
  async #findForsaken(): Promise<void> {
    const { group, consumer, key, visibilityMs, partition, suspect } = this.#options
    const pending = (await this.connection.client.xpending(
      ...([key, group, 'IDLE', visibilityMs, this.#takeOverFrom, '+', PENDING_COUNT] as const),
    )) as PendingEntry[]
    const more = pending.length === PENDING_COUNT
    this.#takeOverFrom = more ? `(${pending.at(-1)![0]}` : '-'
    if (!more) this.#takeOverAt = this.#nextTakeOver()
    this.#wantOwn(pending.filter(([, owner]) => owner === consumer))

    const forsaken = pending.filter(([, owner]) => owner !== consumer)
    const from = { idleMs: visibilityMs }
    this.#want(forsaken, from)
    const deliveriesOf = new Map(forsaken.filter(isSuspect).map(([id, , , deliveries]) => [id, deliveries]))
    const { entries } = await this.#claim([...deliveriesOf.keys()], from, true)
    for (const entry of entries) suspect(partition, idOf(entry), deliveriesOf.get(idOf(entry))!)
  }

  #wantOwn(pending: readonly PendingEntry[]): void {
    const { partition, held, suspect } = this.#options
    if (pending.length === 0) return
    const known = new Set(held())
    const unheld = pending.filter(([id]) => !known.has(id))
    for (const [id, , , deliveries] of unheld.filter(isSuspect)) suspect(partition, id, deliveries)
    this.#want(unheld, 'own')
  }

  /** Suspects are not among what is wanted: they are delivered apart. */
  #want(pending: readonly PendingEntry[], from: Wanted['from']): void {
    const ids = pending.filter((each) => !isSuspect(each)).map(([id]) => id)
    if (ids.length > 0) this.#wanted.push({ ids, from, next: 0 })
  }

  async #claimWanted(wanted: Wanted): Promise<RawEntry[]> {
    const { looked, entries } = await this.#claim(wanted.ids.slice(wanted.next), wanted.from, false)
    wanted.next += looked
    if (wanted.next >= wanted.ids.length) this.#wanted.shift()
    return entries
  }

  async #claim(
    ids: readonly string[],
    from: Wanted['from'],
    idsOnly: boolean,
  ): Promise<{ looked: number; entries: RawEntry[] }> {
    if (ids.length === 0) return { looked: 0, entries: [] }
    const { key, group, consumer, stats, logger, partition } = this.#options
    const options = { key, group, consumer, from, maxBytes: TARGET_READ_BYTES, idsOnly }
    const { looked, trimmed, entries } = await claim(this.connection.client, options, ids)
    stats.trimmedUnacked += trimmed
    if (from !== 'own' && entries.length > 0) {
      stats.claimed += entries.length
      logger.warn({ partition, entries: entries.length }, 'took over entries that another consumer has left unacked')
    }
    return { looked, entries }
  }

  async #deliverBatch(): Promise<void> {
    const { gate, partition, deliver } = this.#options
    let bytes = 0
    for (; this.#next < this.#batch.length; this.#next++) {
      while (!gate.open && !this.#stopping) await gate.passable()
      if (!gate.open) return
      const entry = this.#batch[this.#next]!
      const payload = payloadOf(entry)
      bytes += payload.length
      deliver(partition, idOf(entry), payload, this.#redelivered)
    }
    this.#fitCount(bytes, this.#batch.length)
    this.#batch = []
    this.#next = 0
  }

  /** At most twice as many as last time, so that one small message before many large ones is not believed too soon. */
  #fitCount(bytes: number, entries: number): void {
    if (entries === 0) return
    const fitting = Math.ceil(TARGET_READ_BYTES / Math.max(1, bytes / entries))
    this.#count = Math.max(1, Math.min(MAX_COUNT, this.#count * 2, fitting))
  }

  /** Whatever went wrong, an answer may have been lost on its way, and its entries are ours in Redis' eyes. */
  async #recover(error: unknown): Promise<void> {
    if (this.#stopping) return
    this.#findOwnAgain()
    if (!this.connection.up) return
    const { logger, partition } = this.#options
    try {
      if (isReply(error) && /^(NOGROUP|UNBLOCKED)/.test(error.message)) {
        await this.#makeGroup(this.connection.client)
        return
      }
      logger.warn({ err: error, partition }, 'reading from Redis failed, trying again')
    } catch (failure) {
      logger.warn({ err: failure, partition }, 'the consumer group could not be made, trying again')
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }

  async #makeGroup(client: Redis): Promise<void> {
    const { key, group, partition, stats, logger } = this.#options
    const made = await makeGroup(client, key, group, this.#hadGroup)
    if (made && this.#hadGroup) {
      stats.groupsRemade++
      logger.warn({ partition, group }, 'the consumer group had vanished from Redis and was made anew')
    }
    this.#hadGroup = true
    this.#findOwnAgain()
  }

  #findOwnAgain(): void {
    this.#ownPendingFrom = '-'
    this.#wanted.length = 0
  }

  /** With jitter, so that servers started together do not all ask at once. */
  #nextTakeOver(): number {
    return performance.now() + (this.#options.visibilityMs / 3) * (0.75 + Math.random() / 2)
  }
}

function isSuspect([, , , deliveries]: PendingEntry): boolean {
  return deliveries >= SUSPECT_AFTER
}
