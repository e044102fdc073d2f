import type { RedisConnection } from '../redis/connection.ts'

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
    this.#keys = keys.map((key) => `${key}:trials`)
  }

  /** The failed trials of each entry, in the order of the ids. */
  async read(partition: number, ids: readonly string[]): Promise<number[]> {
    const failedTrials = await this.#commands.send((client) => client.hmget(this.#keys[partition]!, ...ids))
    return failedTrials.map(Number)
  }

  async write(partition: number, ids: readonly string[], failedTrials: number): Promise<void> {
    if (ids.length === 0) return
    const key = this.#keys[partition]!
    await this.#commands.send(async (client) => {
      if (failedTrials === 0) return client.hdel(key, ...ids)
      const noted = client.hset(key, ...ids.flatMap((id) => [id, failedTrials]))
      await Promise.all([noted, client.pexpire(key, KEPT_MS)])
      return noted
    })
  }
}
