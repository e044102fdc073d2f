import type { Logger } from 'pino'
import { checkTransition, type Transitions } from '../../lifecycle/transition.ts'
import { BrokerError, type BrokerStats, type ReadTiming } from '../broker.ts'
import type { RedisOptions } from '../redis/client.ts'
import { RedisConnection } from '../redis/connection.ts'
import { commandBytes, PreparedCommand } from '../redis/prepared-command.ts'
import { isReply } from '../redis/problem.ts'
import { bulkOf, idIn, idOf, payloadOf, type RawEntry } from './entry.ts'
import { type EntryEvents, EntryScanner, type OnEntry } from './entry-scanner.ts'
import { Partition, type PartitionOptions, RETRY_MS } from './partition.ts'
import type { ReadGate } from './read-gate.ts'
import { ReadPace } from './read-pace.ts'

export interface ReaderOptions {
  readonly redis: RedisOptions
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly keys: readonly string[]
  readonly group: string
  readonly consumer: string
  /** Shut while the consumer takes no more entries. */
  readonly gate: ReadGate
  /** @param redelivered whether the entry may have been delivered before */
  readonly deliver: (...entry: [...Parameters<OnEntry>, redelivered: boolean]) => void
  /** As in `SubscribeOptions`. */
  readonly timing: ReadTiming
  /** Servers that read for the group, this one too. */
  readonly readers: () => number
  /** What else a partition needs. */
  readonly partitionOptions: (key: string, partition: number) => Omit<PartitionOptions, 'maxBytes'>
}

/** An entry that was read, and is to be delivered when the gate opens. */
interface Undelivered {
  readonly partition: number
  /** A bulk string of RESP. */
  readonly id: Buffer
  readonly payload: Buffer
  readonly redelivered: boolean
}

type Mode = 'created' | 'running' | 'stopping'

const TRANSITIONS: Transitions<Mode> = {
  created: ['running', 'stopping'],
  running: ['stopping'],
  stopping: [],
}

/** How long Redis delays an empty answer, and how long `stop` may have to wait. */
const BLOCK_MS = 500
/** COUNT limits entries, and an entry may have 8 MiB. So COUNT follows the size of the entries that come. */
const TARGET_READ_BYTES = 2 * 2 ** 20
const FIRST_COUNT = 40
/** Redis does nothing else while it answers. It is twice what a read is to bring (`read-pace.ts`), for uneven partitions. */
const MAX_COUNT = 3000

/**
 * Reads all partitions for one consumer of the group, over one connection.
 *
 * | from             | to       | when                                                                              |
 * | ---------------- | -------- | --------------------------------------------------------------------------------- |
 * | created          | running  | `start`: rounds begin: wait for the connection and the gate, read, deliver        |
 * | created, running | stopping | `stop`, `close`: the present round ends                                           |
 *
 * In each round, each partition does the step that is due there (`partition.ts`). Then one XREADGROUP reads the new
 * entries of all partitions without such a step. They are delivered out of the connection's bytes while the answer
 * still comes.
 */
export class StreamsReader {
  readonly connection: RedisConnection
  readonly #options: ReaderOptions
  readonly #partitions: Partition[]
  #scanner: EntryScanner | undefined
  readonly #pace = new ReadPace()
  #lastCommand = { streams: 0, count: 0, mayBlock: false, bytes: Buffer.alloc(0) as Buffer }
  #mode: Mode = 'created'
  /** The entries to ask for in one read. */
  #count = FIRST_COUNT
  /** Whether a partition gave as many entries as it may in the last read: then more wait. */
  #isBehind = false
  /** The read that Redis works on while the entries of the one before are delivered; never rejects unheard. */
  #ahead: Promise<boolean> | undefined
  /** What was read since the last read ended. */
  #entries = 0
  #payloadBytes = 0
  #spanMs = 0
  /** Claimed, or read while the gate was shut; delivered before `#next`. */
  readonly #undelivered: Undelivered[] = []
  #next = 0
  #running: Promise<void> | undefined

  constructor(options: ReaderOptions) {
    const { redis, logger, stats, keys } = options
    this.#options = options
    this.#partitions = keys.map((key, partition) => this.#newPartition(key, partition))
    this.connection = new RedisConnection({
      ...{ redis, purpose: 'queue', logger, stats },
      setUp: (client) => Promise.all(this.#partitions.map((partition) => partition.connected(client))),
      newReader: (passOn) => {
        const read = this.#partitions.map(({ key }) => key)
        this.#scanner = new EntryScanner(read, this.#on, passOn)
        return this.#scanner
      },
    })
  }

  /** Reads another stream too, from the next round on: that of the next partition. */
  addPartition(key: string): void {
    this.#partitions.push(this.#newPartition(key, this.#partitions.length))
    this.#scanner?.addStream(key)
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

  /** Entries of a partition read and not yet delivered: they must be renewed too. */
  undeliveredIds(partition: number): string[] {
    const waiting = this.#undelivered.slice(this.#next).filter((each) => each.partition === partition)
    return waiting.map(({ id }) => idIn(id, 0, id.length))
  }

  #newPartition(key: string, partition: number): Partition {
    return new Partition({ ...this.#options.partitionOptions(key, partition), maxBytes: TARGET_READ_BYTES })
  }

  async #run(): Promise<void> {
    const { gate } = this.#options
    while (!this.#isStopping()) {
      try {
        await this.connection.whenUp()
        while (!gate.open && !this.#isStopping()) await gate.whenChanged()
        if (this.#isStopping()) break
        await this.#round()
      } catch (error) {
        await this.#recover(error)
      }
      await this.#deliverRest()
    }
    // Redis counts what it brings as this consumer's already.
    await this.#ahead?.catch(() => {})
    await this.#deliverRest()
  }

  async #round(): Promise<void> {
    const due = this.#ahead === undefined ? this.#partitions.filter((partition) => partition.isDue) : []
    if (due.length > 0) {
      const found = await Promise.all(due.map((partition) => partition.step(this.connection)))
      for (const [i, entries] of found.entries()) this.#deliverAgain(due[i]!, entries)
      await this.#deliverRest()
    }
    if (this.#ahead === undefined && (!this.#options.gate.open || this.#isStopping())) return
    const read = this.#ahead ?? this.#send(due.length === 0)
    this.#ahead = undefined
    if (read !== undefined) await this.#finish(read)
    else if (due.length === 0) await sleep(RETRY_MS)
  }

  /**
   * Asks for new entries of all partitions that may be read.
   *
   * @param mayBlock whether nothing else waits to be done
   * @returns whether one of them gave as many as it may; undefined where none may be read
   */
  #send(mayBlock: boolean): Promise<boolean> | undefined {
    const readable = this.#partitions.filter((partition) => partition.isReadable)
    if (readable.length === 0) return undefined
    const count = Math.ceil(this.#count / readable.length)
    const command = new PreparedCommand('XREADGROUP', readable[0]!.key, this.#commandBytes(readable, count, mayBlock))
    const most = this.connection.send('XREADGROUP', (client) => client.sendCommand(command) as Promise<unknown>)
    return most.then((reply) => ((reply as number | null) ?? 0) >= count)
  }

  /** Mostly it is the same as last time. */
  #commandBytes(readable: readonly Partition[], count: number, mayBlock: boolean): Buffer {
    const last = this.#lastCommand
    const isSame = last.count === count && last.mayBlock === mayBlock && last.streams === readable.length
    if (isSame && readable.length === this.#partitions.length) return last.bytes
    const { group, consumer } = this.#options
    const keys = readable.map(({ key }) => key)
    const block = mayBlock ? ['BLOCK', BLOCK_MS] : []
    const args = ['GROUP', group, consumer, 'COUNT', count, ...block, 'STREAMS', ...keys, ...keys.map(() => '>')]
    const bytes = commandBytes('XREADGROUP', ...args)
    this.#lastCommand = { streams: readable.length, count, mayBlock, bytes }
    return bytes
  }

  /** Waits until its entries are delivered, and then as long as makes the next read worth its price. */
  async #finish(read: Promise<boolean>): Promise<void> {
    this.#isBehind = await read
    this.#pace.took(this.#entries, this.#spanMs, performance.now())
    if (this.#entries > 0) this.#fitCount(this.#payloadBytes / this.#entries)
    this.#entries = 0
    this.#payloadBytes = 0
    const { timing, readers } = this.#options
    const servers = readers()
    const pauseMs = this.#pace.pauseMs(timing.readWithinMs(servers), servers)
    if (pauseMs === 0 || this.#isBehind || this.#ahead !== undefined || this.#isStopping()) return
    timing.nothingForMs(pauseMs)
    await sleep(pauseMs)
  }

  /**
   * Entries begin to come. A reader that is behind asks for the next ones at once, so that Redis reads them while these
   * are delivered: one after the other, they would wait for each other half of the time.
   */
  readonly #begin = (): void => {
    const mayAsk = this.#isBehind && this.#options.gate.open && !this.#isStopping()
    if (!mayAsk || this.#ahead !== undefined || this.#partitions.some((partition) => partition.isDue)) return
    this.#ahead = this.#send(true)
    this.#ahead?.catch(() => {})
  }

  /** An entry that was read. */
  readonly #take: OnEntry = (partition, bytes, idAt, idEnd, payload) => {
    const { gate, deliver } = this.#options
    this.#entries++
    this.#payloadBytes += payload.length
    if (gate.open && this.#undelivered.length === 0) {
      deliver(partition, bytes, idAt, idEnd, payload, false)
      return
    }
    const id = Buffer.from(bytes.subarray(idAt, idEnd))
    this.#undelivered.push({ partition, id, payload: Buffer.from(payload), redelivered: false })
  }

  readonly #on: EntryEvents = {
    begins: this.#begin,
    entry: this.#take,
    ended: (spanMs) => {
      this.#spanMs = spanMs
    },
  }

  #deliverAgain(partition: Partition, entries: readonly RawEntry[]): void {
    const index = this.#partitions.indexOf(partition)
    for (const entry of entries) {
      const id = bulkOf(idOf(entry))
      this.#undelivered.push({ partition: index, id, payload: payloadOf(entry), redelivered: true })
    }
  }

  async #deliverRest(): Promise<void> {
    const { gate, deliver } = this.#options
    for (; this.#next < this.#undelivered.length; this.#next++) {
      // Not in a function of its own: after one more turn the gate may be shut again.
      while (!gate.open && !this.#isStopping()) await gate.whenChanged()
      if (!gate.open) return
      const { partition, id, payload, redelivered } = this.#undelivered[this.#next]!
      deliver(partition, id, 0, id.length, payload, redelivered)
    }
    this.#undelivered.length = 0
    this.#next = 0
  }

  /**
   * At most twice as many as last time, so that one small message before many large ones does not raise COUNT too far.
   */
  #fitCount(bytesPerEntry: number): void {
    const fitting = Math.ceil(TARGET_READ_BYTES / Math.max(1, bytesPerEntry))
    this.#count = Math.max(1, Math.min(MAX_COUNT, this.#count * 2, fitting))
  }

  async #recover(error: unknown): Promise<void> {
    await this.#ahead?.catch(() => {})
    this.#ahead = undefined
    if (this.#isStopping()) return
    const cause = error instanceof BrokerError ? error.cause : error
    // It does not say which of the partitions it was.
    for (const partition of this.#partitions) partition.readFailed(isReply(cause))
    if (!this.connection.up || (isReply(cause) && /^(NOGROUP|UNBLOCKED)/.test(cause.message))) return
    // The connection has logged what Redis refuses.
    if (!isReply(cause)) this.#options.logger.warn({ err: error }, 'reading from Redis failed; trying again')
    await sleep(RETRY_MS)
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

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
