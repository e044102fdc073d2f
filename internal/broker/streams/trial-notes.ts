import type { RedisConnection } from '../redis/connection.ts'

/** Notes of entries that ended in another way than by their trial go with the last of their partition, after: */
const KEPT_MS = 7 * 24 * 3_600_000

/**
 * How many trials each entry has failed, in a hash of Redis beside its partition (`queue:{<topic>:<p>}:trials`), where the next life of a process
 * finds it.
 */
export class TrialNotes {
  readonly #commands: RedisConnection
  readonly #keys: readonly string[]

  constructor(commands: RedisConnection, keys: readonly string[]) {
    this.#commands = commands
    this.#keys = keys.map((key) => `${key}:trials`)
  }

  /** In the order of the ids. */
  async read(partition: number, ids: readonly string[]): Promise<number[]> {
    const failures = await this.#commands.send((client) => client.hmget(this.#keys[partition]!, ...ids))
    return failures.map(Number)
  }

  async write(partition: number, ids: readonly string[], failures: number): Promise<void> {
    if (ids.length === 0) return
    const key = this.#keys[partition]!
    await this.#commands.send(async (client) => {
      if (failures === 0) return client.hdel(key, ...ids)
      const noted = client.hset(key, ...ids.flatMap((id) => [id, failures]))
      await Promise.all([noted, client.pexpire(key, KEPT_MS)])
      return noted
    })
  }
}
