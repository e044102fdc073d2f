import type { Logger } from 'pino'
import { BrokerError, newStats } from '../broker.ts'
import type { RedisOptions } from './client.ts'
import { RedisConnection } from './connection.ts'
import { pexpire } from './rights.ts'

/** What one process has counted of something since it last said so. */
interface Count {
  readonly name: string
  readonly added: number
  /** How long the count of all processes lasts, from the first of them on. */
  readonly windowMs: number
}

interface Total {
  readonly total: number
  readonly endsInMs: number
}

const PREFIX = 'rate:'

/** Counts that several processes add to: a key of Redis each, which ends with its window. */
export class SharedCounts {
  readonly #connection: RedisConnection

  constructor(redis: RedisOptions, logger: Logger) {
    this.#connection = new RedisConnection({
      ...{ redis, logger, purpose: 'rates', stats: newStats() },
      rights: () => ({ commands: [incrby(), pexpire(`${PREFIX}*`), pttl()], publishes: [], subscribes: [] }),
    })
    this.#connection.whenTried().catch(() => {})
  }

  /** '' while the counts are shared; else why they are not. */
  get problem(): string {
    return this.#connection.health().problem
  }

  /** @throws BrokerError where Redis is away, or refuses it */
  async add(counts: readonly Count[]): Promise<Total[]> {
    const { problem } = this
    if (problem !== '') throw new BrokerError('not_sent', problem)
    return Promise.all(counts.map((count) => this.#addOne(count)))
  }

  async #addOne({ name, added, windowMs }: Count): Promise<Total> {
    const key = `${PREFIX}${name}`
    // In one write, and in order: the first of all gives the key its end.
    const [total, leftMs] = await this.#connection.send(`INCRBY ${PREFIX}*`, (client) =>
      Promise.all([client.incrby(key, added), client.pttl(key)]),
    )
    if (leftMs > 0) return { total, endsInMs: leftMs }
    // One of several that come first at once may give it twice, which is the same.
    await this.#connection.send(`PEXPIRE ${PREFIX}*`, (client) => client.pexpire(key, windowMs))
    return { total, endsInMs: windowMs }
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}

const incrby = () => ({ name: `INCRBY ${PREFIX}*`, args: ['INCRBY', `${PREFIX}`, 'x'], expects: /not an integer/ })
const pttl = () => ({ name: `PTTL ${PREFIX}*`, args: ['PTTL', PREFIX] })
