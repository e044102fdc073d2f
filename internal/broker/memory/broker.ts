import type { Logger } from 'pino'
import { type Deferred, deferred } from '../../time/deferred.ts'
import {
  type Broker,
  BrokerError,
  type BrokerHealth,
  type LiveChannel,
  type MessageHandler,
  newStats,
  type SubscribeOptions,
  type Subscription,
} from '../broker.ts'
import { Deliveries } from '../deliveries.ts'
import { LIVE_KEPT_MS } from '../redis/live-channel.ts'

/**
 * The broker of one process: `publish` calls the subscriber's handler before it returns. While the subscriber is paused, publishes
 * stay pending, which is the back pressure. One subscription at a time: one process has one pipeline, and a second is refused.
 */
export class MemoryBroker implements Broker {
  readonly kind = 'memory'
  readonly stats = newStats()
  readonly live: LiveChannel
  readonly #logger: Logger
  #subscription: MemorySubscription | undefined
  #closed = false

  constructor(options: { logger: Logger; now?: () => number }) {
    this.#logger = options.logger
    this.live = new MemoryLiveChannel(this.#logger, options.now ?? Date.now)
  }

  async publish(_key: string, payload: Buffer): Promise<number> {
    if (this.#closed) throw new BrokerError('not_sent', 'the broker is closed')
    return this.#subscription?.take(payload) ?? 0
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

class MemorySubscription implements Subscription {
  readonly #deliveries: Deliveries
  readonly #leave: () => void
  /** Messages that wait for `resume`, with those who wait for them. */
  readonly #waiting: Array<{ payload: Buffer; taken: Deferred<number> }> = []
  #mode: 'running' | 'paused' | 'stopped' = 'running'

  constructor(deliveries: Deliveries, leave: () => void) {
    this.#deliveries = deliveries
    this.#leave = leave
  }

  take(payload: Buffer): number | Promise<number> {
    if (this.#mode === 'running' && this.#waiting.length === 0) {
      this.#deliveries.deliverOnce(payload)
      return 1
    }
    const taken = deferred<number>()
    this.#waiting.push({ payload, taken })
    return taken.promise
  }

  pause(): void {
    if (this.#mode === 'running') this.#mode = 'paused'
  }

  resume(): void {
    if (this.#mode === 'stopped') return
    this.#mode = 'running'
    // A handler may pause again at any message.
    for (let next = this.#nextWaiting(); next !== undefined; next = this.#nextWaiting()) {
      this.#deliveries.deliverOnce(next.payload)
      next.taken.resolve(1)
    }
  }

  #nextWaiting(): { payload: Buffer; taken: Deferred<number> } | undefined {
    return this.#mode === 'running' ? this.#waiting.shift() : undefined
  }

  ack(): void {}
  storeAway(): void {}

  /** What waited was not taken: its publishers hear that nobody listens, and keep it. */
  async stop(): Promise<void> {
    if (this.#mode === 'stopped') return
    this.#mode = 'stopped'
    this.#leave()
    for (const { taken } of this.#waiting.splice(0)) taken.resolve(0)
  }

  async close(): Promise<void> {
    await this.stop()
  }
}

class MemoryLiveChannel implements LiveChannel {
  readonly #logger: Logger
  readonly #now: () => number
  readonly #handlers = new Set<(payload: Buffer) => void>()
  readonly #latest = new Map<string, { payload: Buffer; at: number }>()

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger
    this.#now = now
  }

  publish(payload: Buffer, latest: ReadonlyArray<readonly [key: string, payload: Buffer]>): void {
    const at = this.#now()
    for (const [key, value] of latest) this.#latest.set(key, { payload: value, at })
    for (const handler of this.#handlers) {
      try {
        handler(payload)
      } catch (error) {
        this.#logger.error({ err: error }, 'a live message was lost: its handler threw')
      }
    }
  }

  async subscribe(handler: (payload: Buffer) => void): Promise<() => Promise<void>> {
    // A function of its own, so that one handler may subscribe twice.
    const own = (payload: Buffer): void => handler(payload)
    this.#handlers.add(own)
    return async () => {
      this.#handlers.delete(own)
    }
  }

  async recall(): Promise<Buffer[]> {
    const oldest = this.#now() - LIVE_KEPT_MS
    for (const [key, { at }] of this.#latest) if (at < oldest) this.#latest.delete(key)
    return Array.from(this.#latest.values(), ({ payload }) => payload)
  }
}
