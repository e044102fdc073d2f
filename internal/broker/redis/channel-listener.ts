import { type ConnectionOptions, RedisConnection } from './connection.ts'
import { PushScanner } from './push-scanner.ts'

/** Listens to channels of Redis over a connection of its own, and again after each reconnect. */
export class ChannelListener {
  readonly connection: RedisConnection
  readonly #channels: readonly string[]
  #onMessage: (payload: Buffer) => void
  #listening = true
  #stopped: Promise<void> | undefined

  /** @param onMessage called with each payload, valid only during the call; must not throw */
  constructor(
    options: Omit<ConnectionOptions, 'setUp' | 'newReader'>,
    channels: readonly string[],
    onMessage: (payload: Buffer) => void,
  ) {
    this.#channels = channels
    this.#onMessage = onMessage
    this.connection = new RedisConnection({
      ...options,
      newReader: (passOn) => new PushScanner((payload) => this.#onMessage(payload), passOn),
      setUp: async (client) => {
        if (this.#listening) await client.subscribe(...channels)
      },
    })
  }

  /** Redis stops sending when it hears of it; what it had sent before still comes. */
  pause(): void {
    this.#listen(false)
  }

  resume(): void {
    if (this.#stopped === undefined) this.#listen(true)
  }

  /** Resolves when Redis has confirmed that nothing more will come, all that it sent before having been handed over. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async close(): Promise<void> {
    await this.stop()
    await this.connection.close()
  }

  /**
   * Commands of one connection take effect in their order, so the last wish wins. A connection that is not ready yet hears of it in
   * its set-up; one that is in its set-up may hear of it twice, which changes nothing.
   */
  #listen(wanted: boolean): void {
    if (this.#listening === wanted) return
    this.#listening = wanted
    const { client } = this.connection
    if (client.status !== 'ready') return
    const told = wanted ? client.subscribe(...this.#channels) : client.unsubscribe(...this.#channels)
    // Refused, or lost with the connection: the set-up of the next one says it again.
    told.catch((error: unknown) => this.connection.renew(error))
  }

  async #stop(): Promise<void> {
    this.#listening = false
    const { client, up } = this.connection
    try {
      if (up) await client.unsubscribe(...this.#channels)
    } catch {
      // The connection is gone, and with it all that Redis might have sent.
    }
    this.#onMessage = () => {}
  }
}
