import type { Logger } from 'pino'
import { BrokerError } from '../broker/broker.ts'
import type { RedisConnection } from '../broker/redis/connection.ts'
import { PAYLOAD_FIELD } from '../broker/streams/entry.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { messageId } from './message-id.ts'
import { type PartitionKeys, partitionKeys } from './names.ts'
import { type DiskBudget, Overflow } from './overflow.ts'
import { feed, type Stock, sweep, takeStock } from './scripts.ts'

export interface PartitionOptions {
  readonly topic: string
  readonly partition: number
  readonly connection: RedisConnection
  /** Entries in Redis that some group has not acked, beyond which messages go to disk. */
  readonly queueSize: () => number
  /** The folder of the messages on disk of all partitions. */
  readonly folder: string
  readonly epoch: string
  readonly budget: DiskBudget
  readonly nowMs: () => number
  readonly logger: Logger
  readonly throttle: LogThrottle
}

/** Who has a message that was taken. */
export type Durable = 'redis' | 'disk'

export interface Produced {
  readonly id: string
  readonly durable: Durable
}

/** How long the feeder waits before it looks again whether Redis has room. */
const NO_ROOM_MS = 50
const RETRY_MS = 250
/** Stock is taken with each such part of what Redis may have. */
const PARTS = 4
/** Entries that all groups have acked, and that stay because an older one is not acked: beyond so many they are removed. */
const MAX_ACKED = 1000

/**
 * Takes the messages of one partition: Redis first, the disk where Redis is away, refuses, or has as much as it may.
 * From the first message on disk until the last one is fed back, all others go to disk too: so they keep their order.
 */
export class Partition {
  readonly topic: string
  readonly partition: number
  readonly keys: PartitionKeys
  readonly #options: PartitionOptions
  readonly #addName: string
  readonly #stockName: string
  readonly #overflow: Overflow
  /** How it was when stock was last taken. */
  #stock: Stock = { length: 0, unacked: 0, trimmed: 0 }
  /** Entries sent in all, and when stock was last taken: Redis does the commands of a connection in their order. */
  #sent = 0
  #sentAtStock = 0
  #stockTaking: Promise<void> | undefined
  #mayHaveChanged = true
  /** Where the last sweep ended; '' where the next one begins at the first entry. */
  #swept = ''
  #feeding: Promise<void> | undefined
  #wake: () => void = () => {}
  #isClosed = false

  private constructor(options: PartitionOptions, overflow: Overflow) {
    this.#options = options
    this.topic = options.topic
    this.partition = options.partition
    this.keys = partitionKeys(options.topic, options.partition)
    this.#addName = `XADD ${this.keys.stream}`
    this.#stockName = `EVAL ${this.keys.stream}`
    this.#overflow = overflow
    this.#feedSoon()
  }

  static async open(options: PartitionOptions): Promise<Partition> {
    return new Partition(options, await Overflow.open(options))
  }

  /** Messages on disk, and their bytes. */
  get overflow(): Pick<Overflow, 'messages' | 'bytes' | 'damaged' | 'problem'> {
    return this.#overflow
  }

  /** Entries in Redis that some group has not acked, as far as this gateway knows. */
  get unacked(): number {
    return this.#stock.unacked + this.#sent - this.#sentAtStock
  }

  /** Entries of the stream, when stock was last taken. */
  get length(): number {
    return this.#stock.length
  }

  /**
   * Resolves when Redis or the disk has the message.
   *
   * @param payload is not copied
   * @throws DiskError where neither takes it now
   * @throws BrokerError `refused` where Redis can never take it
   */
  async produce(payload: Buffer): Promise<Produced> {
    const { connection } = this.#options
    if (this.#overflow.messages > 0 || !connection.up) return this.#keep(payload)
    if (!this.#hasRoom) {
      await this.takeStock().catch(() => {})
      if (this.#overflow.messages > 0 || !connection.up || !this.#hasRoom) return this.#keep(payload)
    }
    try {
      const id = await this.#add(payload)
      this.#mayHaveChanged = true
      return { id: messageId(this.partition, id!), durable: 'redis' }
    } catch (error) {
      if (!(error instanceof BrokerError) || error.kind === 'refused') throw error
      return this.#keep(payload)
    }
  }

  /** Entries were acked: there may be room. */
  acked(): void {
    this.#mayHaveChanged = true
  }

  /** Removes what all groups have acked, and counts the rest. @throws BrokerError */
  takeStock(): Promise<void> {
    this.#stockTaking ??= this.#takeStock().finally(() => {
      this.#stockTaking = undefined
    })
    return this.#stockTaking
  }

  /** The same where something has changed since. Never fails. */
  async tidy(isDue: boolean): Promise<void> {
    if (!this.#options.connection.up || !(isDue || this.#mayHaveChanged)) return
    await this.takeStock().catch((err: unknown) => this.#options.logger.debug({ err }, 'no stock was taken'))
  }

  /** Messages on disk stay there for the next process. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#wake()
    await this.#feeding
    await this.#overflow.close()
  }

  get #hasRoom(): boolean {
    return this.unacked < this.#options.queueSize()
  }

  #add(payload: Buffer): Promise<string | null> {
    const { connection, queueSize } = this.#options
    const { stream } = this.keys
    const id = connection.send(this.#addName, (client) => client.xadd(stream, '*', PAYLOAD_FIELD, payload))
    this.#sent++
    // Behind the entry, so that it is counted.
    if (this.#sent - this.#sentAtStock >= queueSize() / PARTS) void this.takeStock().catch(() => {})
    return id
  }

  async #keep(payload: Buffer): Promise<Produced> {
    const kept = this.#overflow.keep(payload, this.#options.nowMs())
    this.#feedSoon()
    return { id: messageId(this.partition, await kept), durable: 'disk' }
  }

  async #takeStock(): Promise<void> {
    const sent = this.#sent
    this.#mayHaveChanged = false
    const taken = this.#options.connection.send(this.#stockName, (client) => takeStock(client, this.keys))
    try {
      this.#stock = await taken
      this.#sentAtStock = sent
      if (this.#stock.length - this.#stock.unacked > MAX_ACKED) await this.#sweep()
    } catch (error) {
      this.#mayHaveChanged = true
      throw error
    }
  }

  async #sweep(): Promise<void> {
    const { connection } = this.#options
    this.#swept = await connection.send(this.#stockName, (client) => sweep(client, this.keys, this.#swept))
    this.#mayHaveChanged = true
  }

  #feedSoon(): void {
    if (this.#overflow.messages === 0 || this.#isClosed) return
    this.#feeding ??= this.#feedAll().finally(() => {
      this.#feeding = undefined
      this.#feedSoon()
    })
  }

  /** Feeds back what is on disk, in order, while Redis has room. */
  async #feedAll(): Promise<void> {
    const { connection, throttle, topic, partition } = this.#options
    while (!this.#isClosed && this.#overflow.messages > 0) {
      try {
        const waitMs = connection.up ? await this.#feedSome() : NO_ROOM_MS
        if (waitMs > 0) await this.#pause(waitMs)
      } catch (err) {
        if (!(err instanceof BrokerError))
          throttle.error('feed', { err, topic, partition }, 'messages on disk cannot be fed back; trying again')
        await this.#pause(RETRY_MS)
      }
    }
  }

  /** @returns how long to wait before the next ones, ms */
  async #feedSome(): Promise<number> {
    const { connection, queueSize } = this.#options
    await this.takeStock()
    const room = queueSize() - this.unacked
    if (room <= 0) return NO_ROOM_MS
    const batch = await this.#overflow.next(room)
    if (batch === undefined) return RETRY_MS
    const { messages } = batch
    const taken = connection.send(this.#stockName, (client) => feed(client, this.keys, messages))
    this.#sent += messages.length
    await taken
    this.#overflow.fed()
    return 0
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => {}
  }
}
