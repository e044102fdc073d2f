import type { CheckpointStore } from '../broker.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { type HarmlessCommand, hdel, hscan, hset, pexpire } from '../redis/rights.ts'

/**
 * How long checkpoints are kept after the last save. A run that has been silent for longer is not worth going on from.
 */
const KEPT_MS = 24 * 3_600_000
/** The most runs in one command: 10,000 at once would block Redis for some milliseconds. */
const RUNS_A_COMMAND = 1000

/**
 * Checkpoints in a hash of Redis. Servers of the same channels share one hash, because each run publishes on one
 * channel.
 */
export class RedisCheckpoints implements CheckpointStore {
  readonly #commands: RedisConnection
  readonly #key: string

  /** @param consumes the partitions that the server listens to; undefined for all of them */
  constructor(commands: RedisConnection, consumes?: readonly number[]) {
    this.#commands = commands
    this.#key = consumes === undefined ? 'sentinel:sources' : `sentinel:sources:${consumes.toSorted().join(',')}`
  }

  /** The commands that it sends. */
  get rights(): HarmlessCommand[] {
    return [hscan(this.#key), hset(this.#key), hdel(this.#key), pexpire(this.#key)]
  }

  async load(): Promise<Map<string, string>> {
    for (;;) {
      await this.#commands.whenUp()
      try {
        return await this.#scan()
      } catch (error) {
        if (this.#commands.up) throw error
      }
    }
  }

  async save(checkpoints: ReadonlyMap<string, string>, forget: readonly string[] = []): Promise<void> {
    const key = this.#key
    const entries = [...checkpoints]
    const sent: Promise<unknown>[] = []
    for (let i = 0; i < entries.length; i += RUNS_A_COMMAND) {
      const some = entries.slice(i, i + RUNS_A_COMMAND).flat()
      sent.push(this.#commands.send(`HSET ${key}`, (client) => client.hset(key, ...some)))
    }
    for (let i = 0; i < forget.length; i += RUNS_A_COMMAND) {
      const some = forget.slice(i, i + RUNS_A_COMMAND)
      sent.push(this.#commands.send(`HDEL ${key}`, (client) => client.hdel(key, ...some)))
    }
    sent.push(this.#commands.send(`PEXPIRE ${key}`, (client) => client.pexpire(key, KEPT_MS)))
    await Promise.all(sent)
  }

  async #scan(): Promise<Map<string, string>> {
    const checkpoints = new Map<string, string>()
    let cursor = '0'
    do {
      const from = cursor
      const [next, pairs] = await this.#commands.send(`HSCAN ${this.#key}`, (client) =>
        client.hscan(this.#key, from, 'COUNT', 1000),
      )
      for (let i = 0; i + 1 < pairs.length; i += 2) checkpoints.set(pairs[i]!, pairs[i + 1]!)
      cursor = next
    } while (cursor !== '0')
    return checkpoints
  }
}
