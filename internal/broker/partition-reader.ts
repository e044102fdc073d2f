import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { BrokerStats } from './broker.ts'
import type { Gate } from './gate.ts'
import { RedisConnection, type RedisOptions } from './redis.ts'
import { isReply } from './redis-problem.ts'
import type { Unacked } from './unacked.ts'

/** The field of an entry that carries the message. */
export const PAYLOAD_FIELD = 'd'

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
  /** What is held already, and must not be delivered again. */
  readonly unacked: Unacked
  /** Asked before entries of others are looked for. */
  readonly mayTakeOver: () => boolean
  readonly deliver: (partition: number, id: string, payload: Buffer, redelivered: boolean) => void
  /** Called for an entry of which nothing is left. */
  readonly forget: (partition: number, id: string) => void
}

/** An entry as Redis sends it: id, then names and values in turn; null in their place when trimming has eaten it. */
type RawEntry = [id: Buffer, fields: Buffer[] | null]
type RawReply = Array<[key: Buffer, entries: RawEntry[]]> | null

/** How long Redis holds back an empty answer; also how long `stop` may have to wait. */
const BLOCK_MS = 500
/** COUNT bounds entries, and an entry may have 8 MiB: so COUNT follows the size of what comes. */
const TARGET_READ_BYTES = 2 * 2 ** 20
const FIRST_COUNT = 10
const MAX_COUNT = 1000
/** Entries taken over at a time: Redis goes through a dead consumer's list for each. */
const TAKE_OVER_COUNT = 100
const RETRY_MS = 200
const EMPTY = Buffer.alloc(0)

/**
 * Reads one partition for one consumer of the group, over a connection of its own. What comes first after each connect is what is
 * the consumer's already: the entries of its last life, and those of an answer that never arrived. Then what is new, and from time to time
 * what other consumers have let lie for longer than the visibility time.
 */
export class PartitionReader {
  readonly connection: RedisConnection
  readonly #options: PartitionReaderOptions
  /** The id after which the consumer's own pending entries are still to be read; undefined when all have been. */
  #ownPendingAfter: string | undefined = '0'
  #takeOverAt: number
  /** Where in the group's pending entries the search for forsaken ones goes on: `-` is the beginning. */
  #takeOverFrom = '-'
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
    return this.#batch.slice(this.#next).map(([id]) => id.toString('latin1'))
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

  #read(): Promise<RawEntry[]> {
    this.#redelivered = true
    if (this.#ownPendingAfter !== undefined) return this.#readOwnPending(this.#ownPendingAfter)
    if (Date.now() >= this.#takeOverAt && this.#options.mayTakeOver()) return this.#takeOver()
    this.#redelivered = false
    return this.#readNew()
  }

  async #readNew(): Promise<RawEntry[]> {
    const { group, consumer, key } = this.#options
    const reply = await this.connection.client.callBuffer(
      'XREADGROUP',
      ...['GROUP', group, consumer, 'COUNT', this.#count, 'BLOCK', BLOCK_MS, 'STREAMS', key, '>'],
    )
    return entriesOf(reply as RawReply)
  }

  async #readOwnPending(after: string): Promise<RawEntry[]> {
    const { group, consumer, key, partition, unacked } = this.#options
    const reply = await this.connection.client.callBuffer(
      'XREADGROUP',
      ...['GROUP', group, consumer, 'COUNT', this.#count, 'STREAMS', key, after],
    )
    const entries = entriesOf(reply as RawReply)
    this.#ownPendingAfter = entries.at(-1)?.[0].toString('latin1')
    const held = new Set(unacked.idsOf(partition))
    return entries.filter(([id]) => !held.has(id.toString('latin1')))
  }

  /** XPENDING and XCLAIM rather than XAUTOCLAIM, which would also give us what we hold ourselves. */
  async #takeOver(): Promise<RawEntry[]> {
    const { group, consumer, key, visibilityMs, stats, logger, partition } = this.#options
    const { client } = this.connection
    const pending = (await client.xpending(
      ...([key, group, 'IDLE', visibilityMs, this.#takeOverFrom, '+', TAKE_OVER_COUNT] as const),
    )) as Array<[id: string, owner: string, idleMs: number, deliveries: number]>
    const more = pending.length === TAKE_OVER_COUNT
    this.#takeOverFrom = more ? `(${pending.at(-1)![0]}` : '-'
    if (!more) this.#takeOverAt = this.#nextTakeOver()
    const ids = pending.filter(([, owner]) => owner !== consumer).map(([id]) => id)
    if (ids.length === 0) return []
    const claimed = (await client.callBuffer(
      'XCLAIM',
      key,
      group,
      consumer,
      visibilityMs,
      ...ids,
    )) as Array<RawEntry | null>
    const entries = claimed.filter((entry) => entry !== null)
    stats.takenOver += entries.length
    logger.warn({ partition, entries: entries.length }, 'took over entries that another consumer has left unacked')
    return entries
  }

  async #deliverBatch(): Promise<void> {
    const { gate, partition, deliver, forget, stats } = this.#options
    let bytes = 0
    for (; this.#next < this.#batch.length; this.#next++) {
      while (!gate.open && !this.#stopping) await gate.passable()
      if (!gate.open) return
      const [rawId, fields] = this.#batch[this.#next]!
      const id = rawId.toString('latin1')
      if (fields === null) {
        stats.trimmedUnacked++
        forget(partition, id)
        continue
      }
      const payload = payloadOf(fields)
      bytes += payload.length
      deliver(partition, id, payload, this.#redelivered)
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
    this.#ownPendingAfter = '0'
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

  /** From id 0: what was published before the first server came is read too. */
  async #makeGroup(client: Redis): Promise<void> {
    const { key, group, partition, stats, logger } = this.#options
    try {
      await client.xgroup('CREATE', key, group, '0', 'MKSTREAM')
      if (this.#hadGroup) {
        stats.groupsRemade++
        logger.warn({ partition, group }, 'the consumer group had vanished from Redis and was made anew')
      }
    } catch (error) {
      if (!isReply(error) || !error.message.startsWith('BUSYGROUP')) throw error
    }
    this.#hadGroup = true
    this.#ownPendingAfter = '0'
  }

  /** With jitter, so that servers started together do not all ask at once. */
  #nextTakeOver(): number {
    return Date.now() + (this.#options.visibilityMs / 3) * (0.75 + Math.random() / 2)
  }
}

function entriesOf(reply: RawReply): RawEntry[] {
  return reply?.[0]?.[1] ?? []
}

/** An entry that somebody else wrote without the field gives an empty message, which no codec accepts: it is rejected and counted. */
function payloadOf(fields: Buffer[]): Buffer {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    if (name.length === 1 && name[0] === PAYLOAD_FIELD.charCodeAt(0)) return fields[i + 1]!
  }
  return EMPTY
}
