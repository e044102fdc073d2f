import type { RedisConnection } from '../redis/connection.ts'
import { notesKey } from './names.ts'

/**
 * How long a partition's notes are kept after the last one was written. Notes of entries that ended in another way
 * than by their trial go then.
 */
const KEPT_MS = 7 * 24 * 3_600_000

/**
 * How many trials each suspect has failed, in a hash of Redis beside its partition (`queue:{<topic>:<p>}:trials`).
 * The next process of this consumer, or another server, reads them there.
 */
export class TrialNotes {
  readonly #commands: RedisConnection
  readonly #keys: readonly string[]

  constructor(commands: RedisConnection, keys: readonly string[]) {
    this.#commands = commands
    this.#keys = keys.map(notesKey)
  }

  /** The failed trials of each entry, in the order of the ids. */
  async read(partition: number, ids: readonly string[]): Promise<number[]> {
    const key = this.#keys[partition]!
    const failedTrials = await this.#commands.send(`HMGET ${key}`, (client) => client.hmget(key, ...ids))
    return failedTrials.map(Number)
  }

  async write(partition: number, ids: readonly string[], failedTrials: number): Promise<void> {
    if (ids.length === 0) return
    const key = this.#keys[partition]!
    if (failedTrials === 0) {
      await this.#commands.send(`HDEL ${key}`, (client) => client.hdel(key, ...ids))
      return
    }
    const notes = ids.flatMap((id) => [id, failedTrials])
    await Promise.all([
      this.#commands.send(`HSET ${key}`, (client) => client.hset(key, ...notes)),
      this.#commands.send(`PEXPIRE ${key}`, (client) => client.pexpire(key, KEPT_MS)),
    ])
  }
}
