import { type ConnectionOptions, RedisConnection } from './redis.ts'

/** Listens to channels of Redis over a connection of its own, and again after each reconnect. */
export class ChannelListener {
  readonly connection: RedisConnection
  readonly #channels: readonly string[]
  #stopped: Promise<void> | undefined

  /** @param onMessage called with each payload, valid only during the call; must not throw */
  constructor(
    options: Omit<ConnectionOptions, 'setUp'>,
    channels: readonly string[],
    onMessage: (payload: Buffer) => void,
  ) {
    this.#channels = channels
    this.connection = new RedisConnection({
      ...options,
      setUp: async (client) => {
        if (this.#stopped === undefined) await client.subscribe(...channels)
      },
    })
    this.connection.client.on('messageBuffer', (_channel: Buffer, payload: Buffer) => onMessage(payload))
  }

  /** Resolves when Redis has confirmed that nothing more will come, all that it sent before having been handed over. */
  stop(): Promise<void> {
    this.#stopped ??= this.#unsubscribe()
    return this.#stopped
  }

  async close(): Promise<void> {
    await this.stop()
    await this.connection.close()
  }

  async #unsubscribe(): Promise<void> {
    const { client, up } = this.connection
    try {
      if (up) await client.unsubscribe(...this.#channels)
    } catch {
      // The connection is gone, and with it all that Redis might have sent.
    }
    client.removeAllListeners('messageBuffer')
  }
}
