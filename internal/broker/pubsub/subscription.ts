import type { Subscription } from '../broker.ts'
import type { ChannelListener } from '../redis/channel-listener.ts'

/** Pub/Sub keeps no message, so acks and the state of the store change nothing here. */
export class PubSubSubscription implements Subscription {
  readonly listener: ChannelListener
  readonly #leave: () => void

  /** @param leave called when it is closed */
  constructor(listener: ChannelListener, leave: () => void) {
    this.listener = listener
    this.#leave = leave
  }

  pause(): void {
    this.listener.pause()
  }

  resume(): void {
    this.listener.resume()
  }

  ack(): void {}
  storeAway(): void {}

  stop(): Promise<void> {
    return this.listener.stop()
  }

  async close(): Promise<void> {
    await this.listener.close()
    this.#leave()
  }
}
