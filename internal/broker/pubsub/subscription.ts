import type { Subscription } from '../broker.ts'
import type { ChannelListener } from '../redis/channel-listener.ts'
import { ReadingWatch, type ReadingWatchOptions } from './reading-watch.ts'

/** Who wants no messages now. */
type Holder = 'owner' | 'watch'

/** Pub/Sub keeps no message, so acks and the state of the store change nothing here. */
export class PubSubSubscription implements Subscription {
  readonly listener: ChannelListener
  readonly watch: ReadingWatch
  readonly #leave: () => void
  readonly #holders = new Set<Holder>()

  /** @param leave called when it is closed */
  constructor(
    listener: ChannelListener,
    options: Pick<ReadingWatchOptions, 'commands' | 'logger' | 'stats'>,
    leave: () => void,
  ) {
    this.listener = listener
    this.#leave = leave
    this.watch = new ReadingWatch({
      ...options,
      subscriber: listener.connection,
      holdBack: (isHeldBack) => this.#hold('watch', isHeldBack),
    })
  }

  pause(): void {
    this.#hold('owner', true)
  }

  resume(): void {
    this.#hold('owner', false)
  }

  ack(): void {}
  storeAway(): void {}

  stop(): Promise<void> {
    this.watch.stop()
    return this.listener.stop()
  }

  async close(): Promise<void> {
    this.watch.stop()
    await this.listener.close()
    this.#leave()
  }

  /** It listens while nobody holds it back. */
  #hold(holder: Holder, isHeldBack: boolean): void {
    if (isHeldBack) this.#holders.add(holder)
    else this.#holders.delete(holder)
    if (this.#holders.size > 0) this.listener.pause()
    else this.listener.resume()
  }
}
