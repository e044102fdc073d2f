import type { Logger } from 'pino'
import { BrokerError, type BrokerStats } from '../broker/broker.ts'
import type { RedisOptions } from '../broker/redis/client.ts'
import { RedisConnection } from '../broker/redis/connection.ts'
import { isReply } from '../broker/redis/problem.ts'
import { idOf, payloadOf, type RawEntry } from '../broker/streams/entry.ts'
import { makeGroup } from '../broker/streams/scripts.ts'
import { type Deferred, deferred } from '../time/deferred.ts'
import type { Consumer } from './consumer.ts'
import { type Flight, Flights } from './flights.ts'
import { messageEvent } from './message-event.ts'
import { entryTimeMs, messageId } from './message-id.ts'
import { partitionKeys } from './names.ts'
import { MARK_FIELD, TAKEN_FIELD } from './scripts.ts'

export interface GroupOptions {
  readonly topic: string
  readonly group: string
  /** The name under which Redis knows this gateway: the same after a restart, and of no other gateway. */
  readonly reader: string
  readonly redis: RedisOptions
  /** For commands that do not wait. */
  readonly commands: RedisConnection
  readonly stats: BrokerStats
  readonly logger: Logger
  /** How many partitions the topic has now. */
  readonly partitions: () => number
  /** How long a message may be without an ack before it goes to another consumer. */
  readonly visibilityMs: () => number
  /** Called with each message that was sent: how long after it was taken, ms. @param again for not the first time */
  readonly onSent: (ageMs: number, again: boolean) => void
  readonly nowMs: () => number
}

type ReadReply = Array<[key: Buffer, entries: RawEntry[]]> | null
type PendingReply = Array<[id: string, owner: string, idleMs: number, deliveries: number]>

/** How often messages are looked for that nobody has acked in time. */
const LOOK_MS = 1000
/** While a consumer has as much as it may: its acks may have gone to another gateway. */
const FULL_LOOK_MS = 50
const BLOCK_MS = 250
const RETRY_MS = 200
/** COUNT limits entries, and an entry may have megabytes. So COUNT follows the size of the entries that come. */
const TARGET_READ_BYTES = 2 * 2 ** 20
const FIRST_COUNT = 16
const MAX_COUNT = 256
const MAX_CLAIMS = 10
const PENDING_COUNT = 2000

/**
 * The consumers of one group that are connected to this gateway. Redis sees one consumer, which reads while one of them
 * has room, and each message goes to the one that has the fewest.
 *
 * A message without an ack after the visibility time goes to any consumer, of any gateway. So do at once, by the look of the next second, those of a
 * consumer that has left, and those that Redis counts as this gateway's though it never got them.
 */
export class Group {
  readonly #options: GroupOptions
  readonly #connection: RedisConnection
  readonly #consumers: Consumer[] = []
  readonly #flights = new Flights()
  /** Partitions whose group exists, as far as this connection knows. */
  readonly #ready = new Set<number>()
  #lookDueAtMs = 0
  /** The entries to ask for in one read. */
  #count = FIRST_COUNT
  /** Resolves at the next change: a consumer came, left, acked, or takes bytes again. */
  #change: Deferred<void> = deferred()
  /** The partitions of the read that Redis holds back now. */
  #blocked: ReadonlySet<number> | undefined
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(options: GroupOptions) {
    this.#options = options
    const { redis, stats, logger } = options
    this.#connection = new RedisConnection({
      ...{ redis, purpose: 'queue', stats, logger },
      setUp: async () => {
        this.#ready.clear()
      },
    })
  }

  get consumers(): readonly Consumer[] {
    return this.#consumers
  }

  get problem(): string {
    return this.#connection.health().problem
  }

  join(consumer: Consumer): void {
    this.#consumers.push(consumer)
    this.#running ??= this.#run()
    this.changed()
  }

  /** Its messages go to others. */
  async leave(consumer: Consumer): Promise<void> {
    const at = this.#consumers.indexOf(consumer)
    if (at >= 0) this.#consumers.splice(at, 1)
    await this.#release(this.#flights.takeOf(consumer))
    this.changed()
  }

  /** Something may be sent or read that could not before. */
  changed(): void {
    const blocked = this.#blocked
    if (blocked !== undefined && this.#readable().some(([partition]) => !blocked.has(partition))) this.#unblock()
    this.#change.resolve()
    this.#change = deferred()
  }

  /** The entry of a message that a consumer of this gateway has; undefined where none has. */
  entryOf(id: string): string | undefined {
    return this.#flights.get(id)?.entry
  }

  /** Redis knows that the message is acked. */
  acked(id: string): void {
    const consumer = this.#flights.get(id)?.consumer
    if (consumer === undefined) return
    const hadRoom = consumer.room > 0
    this.#flights.remove(id)
    if (!hadRoom && consumer.room > 0) this.changed()
  }

  /** Ends the streams of all consumers, and leaves their messages to others. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const consumer of this.#consumers.splice(0)) consumer.end()
    this.changed()
    if (this.#connection.up) this.#unblock()
    else await this.#connection.close()
    await this.#running
    await this.#release(this.#flights.takeAll())
    await this.#connection.close()
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#connection.whenUp()
        await this.#round()
      } catch (error) {
        if (this.#isClosed) break
        await this.#recover(error)
      }
    }
  }

  async #round(): Promise<void> {
    const change = this.#change.promise
    await this.#makeReady()
    const nowMs = performance.now()
    const lookMs = this.#consumers.some((each) => each.isDrained && each.room === 0) ? FULL_LOOK_MS : LOOK_MS
    if (nowMs >= this.#lookDueAtMs - LOOK_MS + lookMs) {
      this.#lookDueAtMs = nowMs + LOOK_MS
      await this.#findAcked()
      await this.#findAbandoned()
    }
    const readable = this.#readable()
    if (readable.length === 0) return this.#wait(change, lookMs)
    await this.#read(readable)
  }

  /** The partitions that some consumer wants. */
  #wanted(): number[] {
    const count = this.#options.partitions()
    return Array.from({ length: count }, (_, partition) => partition).filter((partition) =>
      this.#consumers.some((consumer) => consumer.wants(partition)),
    )
  }

  /** Those that may be read now, and how many messages of each. */
  #readable(): Array<[partition: number, room: number]> {
    const found: Array<[number, number]> = []
    for (const partition of this.#ready) {
      let room = 0
      for (const consumer of this.#consumers) if (consumer.wants(partition)) room += consumer.room
      if (room > 0) found.push([partition, room])
    }
    return found
  }

  /** Makes the group where it is missing, and lets go of what Redis believes that this gateway has. */
  async #makeReady(): Promise<void> {
    const { topic, group } = this.#options
    for (const partition of this.#wanted()) {
      if (this.#ready.has(partition)) continue
      const { stream } = partitionKeys(topic, partition)
      await this.#connection.send(`EVAL ${stream}`, (client) => makeGroup(client, stream, group, true))
      const unknown = (await this.#pending(partition)).filter(([id]) => !this.#flights.hasEntry(partition, id))
      await this.#makeVisible(
        partition,
        unknown.map(([id]) => id),
      )
      this.#ready.add(partition)
    }
  }

  async #read(readable: ReadonlyArray<readonly [partition: number, room: number]>): Promise<void> {
    const { topic, group, reader } = this.#options
    const room = Math.min(...readable.map(([, each]) => each))
    const count = Math.max(1, Math.min(Math.floor(this.#count / readable.length), Math.floor(room / readable.length)))
    const byKey = new Map(readable.map(([partition]) => [partitionKeys(topic, partition).stream, partition]))
    const keys = [...byKey.keys()]
    const ids = keys.map(() => '>')
    this.#blocked = new Set(byKey.values())
    let reply: ReadReply
    try {
      reply = await this.#connection.send('XREADGROUP', async (client) => {
        const args = ['GROUP', group, reader, 'COUNT', count, 'BLOCK', BLOCK_MS, 'STREAMS', ...keys, ...ids]
        return (await client.callBuffer('XREADGROUP', args)) as ReadReply
      })
    } finally {
      this.#blocked = undefined
    }
    for (const [key, entries] of reply ?? []) this.#deliver(byKey.get(key.toString())!, entries, false)
    this.#fitCount((reply ?? []).flatMap(([, entries]) => entries))
  }

  /** At most twice as many as last time, so that one small message before many large ones does not raise COUNT too far. */
  #fitCount(entries: readonly RawEntry[]): void {
    if (entries.length === 0) return
    const bytes = entries.reduce((sum, entry) => sum + payloadOf(entry).length, 0) / entries.length
    const fitting = Math.ceil(TARGET_READ_BYTES / Math.max(1, bytes))
    this.#count = Math.max(1, Math.min(MAX_COUNT, this.#count * 2, fitting))
  }

  /** Sends entries to consumers, in their order. Those that nobody is there for become visible to others. */
  #deliver(partition: number, entries: readonly RawEntry[], again: boolean): void {
    const { topic, onSent, nowMs } = this.#options
    const texts = new Map<Consumer, string>()
    const left: string[] = []
    for (const raw of entries) {
      const consumer = this.#pick(partition)
      const entry = idOf(raw)
      if (consumer === undefined) {
        left.push(entry)
        continue
      }
      const mark = fieldOf(raw, MARK_FIELD)
      const id = messageId(partition, mark ?? entry)
      const createdAtMs = mark === undefined ? entryTimeMs(entry) : Number(fieldOf(raw, TAKEN_FIELD))
      const event = messageEvent({ id, topic, partition, payload: payloadOf(raw), createdAtMs })
      this.#flights.add(id, { partition, entry, consumer, sentAtMs: performance.now() })
      texts.set(consumer, (texts.get(consumer) ?? '') + event)
      onSent(nowMs() - createdAtMs, again)
    }
    for (const [consumer, text] of texts) consumer.write(text)
    if (left.length > 0) void this.#makeVisible(partition, left).catch(() => {})
  }

  /** Of those that want the partition, the one with the fewest messages, one with room if any. */
  #pick(partition: number): Consumer | undefined {
    let best: Consumer | undefined
    for (const consumer of this.#consumers) {
      if (!consumer.wants(partition)) continue
      const isBetter =
        best === undefined ||
        consumer.room > 0 > (best.room > 0) ||
        (consumer.room > 0 === best.room > 0 &&
          (consumer.inFlight < best.inFlight || (consumer.inFlight === best.inFlight && consumer.sent < best.sent)))
      if (isBetter) best = consumer
    }
    return best
  }

  /** Messages that were acked at another gateway, or that it has taken over, are not on their way any more. */
  async #findAcked(): Promise<void> {
    for (const partition of this.#flights.partitions()) {
      const pending = await this.#pending(partition)
      const last = pending.length === PENDING_COUNT ? pending.at(-1)![0] : undefined
      const ids = new Set(pending.map(([id]) => id))
      this.#flights.keepOnly(partition, (entry) => ids.has(entry) || (last !== undefined && isAfter(entry, last)))
    }
  }

  /** Takes over what nobody has acked within the visibility time. */
  async #findAbandoned(): Promise<void> {
    const { topic, group, reader, visibilityMs } = this.#options
    for (const [partition] of this.#readable()) {
      const { stream } = partitionKeys(topic, partition)
      let from = '0-0'
      for (let claims = 0; claims < MAX_CLAIMS; claims++) {
        const room = this.#readable().find(([each]) => each === partition)?.[1] ?? 0
        if (room === 0) break
        const args = [stream, group, reader, visibilityMs(), from, 'COUNT', Math.min(room, this.#count)]
        const [next, entries] = await this.#connection.send(
          `XAUTOCLAIM ${stream}`,
          async (client) => (await client.callBuffer('XAUTOCLAIM', args)) as [Buffer, Array<RawEntry | null>],
        )
        // Redis 6.2 lists entries that are gone too.
        this.#deliver(
          partition,
          entries.filter((entry) => entry !== null),
          true,
        )
        from = next.toString()
        if (from === '0-0') break
      }
    }
  }

  /** What Redis counts as this gateway's, oldest first. */
  #pending(partition: number): Promise<PendingReply> {
    const { topic, group, reader } = this.#options
    const { stream } = partitionKeys(topic, partition)
    return this.#connection.send(
      `XPENDING ${stream}`,
      async (client) => (await client.xpending(stream, group, '-', '+', PENDING_COUNT, reader)) as PendingReply,
    )
  }

  async #release(flights: readonly Flight[]): Promise<void> {
    // Others may have taken over what is older.
    const youngest = performance.now() - this.#options.visibilityMs()
    const byPartition = new Map<number, string[]>()
    for (const { partition, entry, sentAtMs } of flights) {
      if (sentAtMs <= youngest) continue
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), entry])
    }
    const visible = Array.from(byPartition, ([partition, entries]) => this.#makeVisible(partition, entries))
    await Promise.all(visible).catch((err: unknown) => {
      this.#options.logger.debug({ err }, 'messages of a consumer that left wait for the visibility time')
    })
    this.#lookDueAtMs = 0
  }

  /** Lets them look as if the visibility time were over: any gateway takes them with its next look. */
  async #makeVisible(partition: number, entries: readonly string[]): Promise<void> {
    const { topic, group, reader, commands, visibilityMs } = this.#options
    const { stream } = partitionKeys(topic, partition)
    for (let from = 0; from < entries.length; from += MAX_COUNT) {
      const some = entries.slice(from, from + MAX_COUNT)
      const args = [stream, group, reader, 0, ...some, 'IDLE', visibilityMs(), 'JUSTID']
      await commands.send(`XCLAIM ${stream}`, (client) => client.call('XCLAIM', args))
    }
  }

  /** Ends the read that Redis holds back, as if its time were over. */
  #unblock(): void {
    const { id } = this.#connection
    if (id === undefined || this.#blocked === undefined) return
    this.#blocked = undefined
    const { commands, logger } = this.#options
    commands
      .send('CLIENT UNBLOCK', (client) => client.call('CLIENT', ['UNBLOCK', `${id}`]))
      .catch((err: unknown) => logger.debug({ err }, 'a read could not be ended early'))
  }

  async #wait(change: Promise<void>, mostMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, mostMs)
    })
    await Promise.race([change, over])
    clearTimeout(timer)
  }

  async #recover(error: unknown): Promise<void> {
    const cause = error instanceof BrokerError ? error.cause : error
    if (isReply(cause) && /^(NOGROUP|UNBLOCKED)/.test(cause.message)) this.#ready.clear()
    else if (this.#connection.up && !isReply(cause))
      this.#options.logger.warn({ err: error }, 'reading from Redis failed; trying again')
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

function fieldOf([, fields]: RawEntry, name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i]!.toString() === name) return fields[i + 1]!.toString()
  return undefined
}

/** Whether the id of an entry is behind another. */
function isAfter(entry: string, other: string): boolean {
  const [ms = '', sequence = ''] = entry.split('-')
  const [otherMs = '', otherSequence = ''] = other.split('-')
  const difference = BigInt(ms) - BigInt(otherMs) || BigInt(sequence) - BigInt(otherSequence)
  return difference > 0n
}
