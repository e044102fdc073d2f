import type { Logger } from 'pino'
import {
  type Broker,
  BrokerError,
  type BrokerHealth,
  type LiveChannel,
  type MessageHandler,
  newStats,
  type Snapshots,
  type SubscribeOptions,
  type Subscription,
} from '../broker.ts'
import { Deliveries } from '../deliveries.ts'
import { MemoryLiveChannel } from './live-channel.ts'
import { MemorySnapshots } from './snapshots.ts'
import { MemorySubscription } from './subscription.ts'

/**
 * The broker of one process: `publish` calls the subscriber's handler before it returns. While the subscriber is
 * paused, a publish stays pending: that is the backpressure. It has one subscription at a time, because one process has
 * one pipeline; a second is refused.
 */
export class MemoryBroker implements Broker {
  readonly kind = 'memory'
  readonly stats = newStats()
  readonly live: LiveChannel
  readonly snapshots: Snapshots
  readonly #logger: Logger
  #subscription: MemorySubscription | undefined
  #closed = false

  constructor(options: { logger: Logger; now?: () => number }) {
    this.#logger = options.logger
    const now = options.now ?? Date.now
    this.live = new MemoryLiveChannel(this.#logger, now)
    this.snapshots = new MemorySnapshots(this.#logger, now)
  }

  async publish(_key: string, payload: Buffer): Promise<number> {
    if (this.#closed) throw new BrokerError('not_sent', 'the broker is closed')
    return this.#subscription?.take(payload, 'delivered') ?? 0
  }

  async publishUntilAcked(_key: string, payload: Buffer): Promise<number> {
    if (this.#closed) throw new BrokerError('not_sent', 'the broker is closed')
    return this.#subscription?.take(payload, 'acked') ?? 0
  }

  async subscribe(handler: MessageHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#closed) throw new BrokerError('not_sent', 'the broker is closed')
    if (this.#subscription !== undefined) throw new Error('the memory broker has a subscriber already')
    const deliveries = new Deliveries(handler, options, this.stats, this.#logger)
    const subscription = new MemorySubscription(deliveries, () => {
      this.#subscription = undefined
    })
    this.#subscription = subscription
    return subscription
  }

  health(): BrokerHealth {
    return this.#closed ? { connected: false, problem: 'the broker is closed' } : { connected: true, problem: '' }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#subscription?.close()
  }
}
