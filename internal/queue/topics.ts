import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { HashRing } from '../broker/hash-ring.ts'
import type { RedisConnection } from '../broker/redis/connection.ts'
import { lookAtGroups } from '../broker/streams/groups.ts'
import { makeGroup } from '../broker/streams/scripts.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { isTopic, partitionKeys, TOPICS_KEY } from './names.ts'
import type { DiskBudget } from './overflow.ts'
import { Partition } from './partition.ts'
import { grow } from './scripts.ts'

export interface TopicsOptions {
  readonly connection: RedisConnection
  /** Topics that are there from the start. */
  readonly topics: readonly string[]
  /** How many partitions a topic begins with. */
  readonly partitions: number
  readonly maxPartitions: number
  readonly maxTopics: number
  readonly queueSize: () => number
  /** The folder of what waits on disk. */
  readonly folder: string
  /** Bytes on disk that all partitions may have together. */
  readonly maxBytes: () => number
  readonly epoch: string
  readonly nowMs: () => number
  readonly logger: Logger
  readonly throttle: LogThrottle
}

/** There are as many topics as there may be. */
export class TooManyTopics extends Error {}

/** What is known of a topic. */
interface Topic {
  /** How many partitions it has, by Redis or by who asked for one. */
  count: number
  /** How many Redis knows of. */
  registered: number
  ring: HashRing
}

/**
 * The topics, and how many partitions each has. They are counted in Redis, so that all gateways and servers agree; they
 * only grow. While Redis is away a gateway goes on with what it knows.
 */
export class Topics {
  readonly #options: TopicsOptions
  readonly #topics = new Map<string, Topic>()
  readonly #partitions = new Map<string, Promise<Partition>>()
  readonly #opened = new Map<string, Partition>()
  readonly #budget: DiskBudget
  #onGrown: () => void = () => {}

  constructor(options: TopicsOptions) {
    this.#options = options
    const usedBytes = (): number => this.overflow.bytes
    this.#budget = {
      get usedBytes() {
        return usedBytes()
      },
      get maxBytes() {
        return options.maxBytes()
      },
    }
    for (const topic of options.topics) this.#know(topic, options.partitions)
  }

  /** Takes over what earlier processes left on disk. */
  async start(): Promise<void> {
    for (const topic of await foldersIn(this.#options.folder)) {
      if (!isTopic(topic)) continue
      for (const name of await foldersIn(join(this.#options.folder, topic))) {
        const partition = /^\d{1,5}$/.test(name) ? Number(name) : -1
        if (partition < 0) continue
        this.#know(topic, Math.max(this.#options.partitions, partition + 1))
        await this.partition(topic, partition)
      }
    }
    await this.refresh()
  }

  /** Called when a topic is new or has more partitions. */
  set onGrown(listener: () => void) {
    this.#onGrown = listener
  }

  /** By name: how many partitions each topic has. */
  get counts(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#topics, ([name, { count }]) => [name, count]))
  }

  /** How many partitions a topic has; 0 where there is none of that name. */
  count(topic: string): number {
    return this.#topics.get(topic)?.count ?? 0
  }

  /** Those that this gateway has used. */
  get open(): readonly Partition[] {
    return [...this.#opened.values()]
  }

  /** What waits on disk. */
  get overflow(): { readonly messages: number; readonly bytes: number; readonly damaged: number } {
    let [messages, bytes, damaged] = [0, 0, 0]
    for (const { overflow } of this.#opened.values()) {
      messages += overflow.messages
      bytes += overflow.bytes
      damaged += overflow.damaged
    }
    return { messages, bytes, damaged }
  }

  /** What is wrong with the disk; '' where nothing is. */
  get problem(): string {
    return this.open.find(({ overflow }) => overflow.problem !== '')?.overflow.problem ?? ''
  }

  /**
   * Makes sure that there is such a topic, with that partition where one is named.
   *
   * @throws TooManyTopics
   */
  async ensure(topic: string, partition?: number): Promise<void> {
    const { connection, partitions, maxTopics } = this.#options
    const known = this.#topics.get(topic)
    const wanted = Math.max(known?.count ?? partitions, (partition ?? 0) + 1)
    if (known !== undefined && known.count >= wanted) return
    if (known === undefined && this.#topics.size >= maxTopics) throw new TooManyTopics()
    if (!connection.up) {
      this.#know(topic, wanted)
      return
    }
    await this.#register(topic, wanted)
  }

  /** Which partition a key belongs to: the same for all gateways. The topic is there. */
  partitionOf(topic: string, key: string): number {
    return this.#topics.get(topic)!.ring.partitionOf(key)
  }

  /** Opens it when it is first used. */
  partition(topic: string, partition: number): Promise<Partition> {
    const name = `${topic}:${partition}`
    let opened = this.#partitions.get(name)
    if (opened === undefined) {
      opened = Partition.open({ ...this.#options, topic, partition, budget: this.#budget }).then((each) => {
        this.#opened.set(name, each)
        return each
      })
      this.#partitions.set(name, opened)
    }
    return opened
  }

  /** A message of it was acked: what all groups have acked is to be removed, also where this gateway has produced nothing. */
  acked(topic: string, partition: number): void {
    const opened = this.#opened.get(`${topic}:${partition}`)
    if (opened !== undefined) opened.acked()
    else void this.partition(topic, partition).then((each) => each.acked())
  }

  /** Tells Redis of topics that it does not know, and learns of those that other gateways have made. Never fails. */
  async refresh(): Promise<void> {
    const { connection, logger } = this.#options
    if (!connection.up) return
    try {
      for (const [name, topic] of this.#topics)
        if (topic.registered < topic.count) await this.#register(name, topic.count)
      const found = await connection.send(`HGETALL ${TOPICS_KEY}`, (client) => client.hgetall(TOPICS_KEY))
      for (const [name, text] of Object.entries(found)) {
        const count = Number(text)
        if (isTopic(name) && Number.isInteger(count) && count > 0) this.#know(name, count).registered = count
      }
    } catch (err) {
      logger.debug({ err }, 'the topics cannot be read; the next attempt follows in a second')
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#partitions.values()].map(async (opened) => (await opened).close()))
  }

  async #register(topic: string, wanted: number): Promise<void> {
    const { connection, maxTopics } = this.#options
    const known = this.count(topic)
    let count = wanted
    try {
      count = await connection.send(`EVAL ${TOPICS_KEY}`, (client) => grow(client, topic, wanted, maxTopics))
    } catch {
      // It is told with the next refresh.
      this.#know(topic, wanted)
      return
    }
    if (count < 0) throw new TooManyTopics()
    for (let partition = known; partition < count && known > 0; partition++) await this.#copyGroups(topic, partition)
    this.#know(topic, count).registered = count
  }

  /** The groups of a topic have each message of a new partition, though they find it some seconds later. Never fails. */
  async #copyGroups(topic: string, partition: number): Promise<void> {
    const { connection, logger } = this.#options
    const [{ stream: first }, { stream }] = [partitionKeys(topic, 0), partitionKeys(topic, partition)]
    try {
      const { groups } = await connection.send(`EVAL ${first}`, (client) => lookAtGroups(client, first))
      for (const { group } of groups) {
        await connection.send(`EVAL ${stream}`, (client) => makeGroup(client, stream, group, true))
      }
    } catch (err) {
      logger.debug({ err, topic, partition }, 'the groups of a new partition are made when they are read')
    }
  }

  #know(topic: string, count: number): Topic {
    const { maxPartitions } = this.#options
    const known = this.#topics.get(topic)
    const most = Math.min(count, Math.max(maxPartitions, known?.count ?? 0))
    if (known !== undefined && known.count >= most) return known
    const made: Topic = { count: most, registered: known?.registered ?? 0, ring: new HashRing(most) }
    this.#topics.set(topic, made)
    this.#onGrown()
    return made
  }
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}
