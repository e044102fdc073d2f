import { BrokerError } from '../broker.ts'
import type { PartitionState, QueueReader, QueueState } from '../queue-state.ts'
import type { RedisConnection } from '../redis/connection.ts'
import type { HarmlessCommand, NeededRights } from '../redis/rights.ts'
import { loadReports } from './gateway-reports.ts'
import { lookAtGroups } from './groups.ts'
import { GATEWAYS_KEY, streamKey, TOPICS_KEY } from './names.ts'
import { NOT_THERE_YET } from './rights.ts'

export interface StreamsQueueOptions {
  readonly commands: RedisConnection
  readonly topic: string
  /** How many partitions it has at least. */
  readonly partitions: number
  readonly trimsAt: number | undefined
}

/** As many as sixteen topics of 64. Each costs Redis some 50 µs, and each has a script of its own, so others get their turn between them. */
const MOST_PARTITIONS = 1024
/** Redis answers such a look within milliseconds. One that stands still is found after 8 s, which is long for who waits. */
const PATIENCE_MS = 3000

/** Looks at the streams of Redis: of the broker's own topic, and of those that gateways have made. */
export class StreamsQueue implements QueueReader {
  readonly #options: StreamsQueueOptions

  constructor(options: StreamsQueueOptions) {
    this.#options = options
  }

  get topic(): string {
    return this.#options.topic
  }

  get trimsAt(): number | undefined {
    return this.#options.trimsAt
  }

  async look(): Promise<QueueState> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const error = new BrokerError('not_sent', `Redis does not answer within ${PATIENCE_MS} ms`)
      timer = setTimeout(() => reject(error), PATIENCE_MS)
    })
    try {
      return await Promise.race([this.#look(), late])
    } finally {
      clearTimeout(timer)
    }
  }

  async #look(): Promise<QueueState> {
    const { commands } = this.#options
    const [gateways, counts] = await Promise.all([
      commands.send(`EVAL ${GATEWAYS_KEY}`, loadReports),
      this.#partitionCounts(),
    ])
    const all = counts.flatMap(([topic, count]) =>
      Array.from({ length: Math.min(count, MOST_PARTITIONS) }, (_, partition) => ({ topic, partition })),
    )
    const partitions = await Promise.all(
      all.slice(0, MOST_PARTITIONS).map(async ({ topic, partition }): Promise<PartitionState> => {
        const stream = streamKey(topic, partition)
        const found = await commands.send(`EVAL ${stream}`, (client) => lookAtGroups(client, stream))
        return { topic, partition, ...found }
      }),
    )
    return { total: counts.reduce((sum, [, count]) => sum + count, 0), partitions, gateways }
  }

  /** The topic of samples first, then the others by name. */
  async #partitionCounts(): Promise<ReadonlyArray<readonly [topic: string, count: number]>> {
    const { commands, topic: own, partitions } = this.#options
    const made = await commands.send(`HGETALL ${TOPICS_KEY}`, (client) => client.hgetall(TOPICS_KEY))
    const count = (topic: string): number => (/^\d{1,9}$/.test(made[topic] ?? '') ? Number(made[topic]) : 0)
    const others = Object.keys(made).filter((topic) => topic !== own)
    return [
      [own, Math.max(partitions, count(own))],
      ...others.sort().map((topic): [string, number] => [topic, count(topic)]),
    ]
  }
}

/** What a look sends: every command to the first partition, because rights to keys may differ. */
export function lookRights(keys: readonly string[]): NeededRights {
  const [first] = keys
  if (first === undefined) return { commands: [], publishes: [], subscribes: [] }
  const harmless = (...args: readonly string[]): HarmlessCommand => ({
    name: args.slice(0, -1).join(' '),
    args,
    expects: NOT_THERE_YET,
  })
  return {
    commands: [
      ...keys.map((key) => ({ name: `EVAL ${key}`, args: ['EVAL', 'return 1', '1', key] })),
      { name: `EVAL ${GATEWAYS_KEY}`, args: ['EVAL', 'return 1', '1', GATEWAYS_KEY] },
      { name: `HGETALL ${TOPICS_KEY}`, args: ['HGETALL', TOPICS_KEY] },
      { name: 'TIME', args: ['TIME'] },
      { name: `XRANGE ${first}`, args: ['XRANGE', first, '1', '0'] },
      { name: `EXISTS ${first}`, args: ['EXISTS', first] },
      harmless('XPENDING', first, '(no such group)'),
      harmless('XINFO', 'STREAM', first, 'FULL', 'COUNT', 'x'),
      harmless('XINFO', 'GROUPS', first),
      harmless('XINFO', 'CONSUMERS', first, '(no such group)'),
    ],
    publishes: [],
    subscribes: [],
  }
}
