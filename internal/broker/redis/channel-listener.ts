import { type ConnectionOptions, RedisConnection } from './connection.ts'
import { PushScanner } from './push-scanner.ts'

/**
 * Listens to channels of Redis over a connection of its own, and subscribes again after each reconnect.
 *
 * A subscriber gets no error when its master has become a replica: it stays subscribed, and hears nothing. So it follows
 * the connection for commands, which finds out.
 */
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

  /** Redis stops sending when it has the command. Messages that it sent before still come. */
  pause(): void {
    this.#listen(false)
  }

  resume(): void {
    if (this.#stopped === undefined) this.#listen(true)
  }

  /** Resolves when Redis has confirmed that no more messages come, and all that it sent before are handed over. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /**
   * The connection for commands was lost and came back, so it may lead to another Redis by now. Takes a new connection
   * too, unless this one is newer, and delivers first what Redis has sent on the old one.
   */
  async follow(lostAtMs: number): Promise<void> {
    const { connection } = this
    if (!connection.up || connection.upSinceMs > lostAtMs) return
    try {
      await connection.client.unsubscribe(...this.#channels)
    } catch {
      // It is gone, and connects again anyway.
    }
    connection.renew(new Error('another connection was lost: connecting again too, because the master may have moved'))
  }

  async close(): Promise<void> {
    await this.stop()
    await this.connection.close()
  }

  /**
   * Commands of one connection take effect in their order, so the last call wins. A connection that is not ready yet
   * learns it in its set-up. A connection in its set-up may get the command twice, which changes nothing.
   */
  #listen(listen: boolean): void {
    if (this.#listening === listen) return
    this.#listening = listen
    const { client } = this.connection
    if (client.status !== 'ready') return
    const sent = listen ? client.subscribe(...this.#channels) : client.unsubscribe(...this.#channels)
    // Redis refused it, or the connection ended: the set-up of the next connection repeats it.
    sent.catch((error: unknown) => this.connection.renew(error))
  }

  async #stop(): Promise<void> {
    this.#listening = false
    const { client, up } = this.connection
    try {
      if (up) await client.unsubscribe(...this.#channels)
    } catch {
      // The connection is gone: no more messages can come over it.
    }
    this.#onMessage = () => {}
  }
}
