import { type Deferred, deferred } from '../../time/deferred.ts'
import type { Subscription } from '../broker.ts'
import type { Deliveries } from '../deliveries.ts'

interface WaitingMessage {
  readonly payload: Buffer
  /** Resolves its `publish` with the number of servers that took it. */
  readonly taken: Deferred<number>
}

/**
 * The one subscriber of a memory broker. Messages that come while it is paused wait here, and so do their publishers.
 */
export class MemorySubscription implements Subscription {
  readonly #deliveries: Deliveries
  readonly #leave: () => void
  readonly #waiting: WaitingMessage[] = []
  /** `running` and `paused` follow each other; `stopped` is the end. */
  #mode: 'running' | 'paused' | 'stopped' = 'running'

  /** @param leave called once, when it stops */
  constructor(deliveries: Deliveries, leave: () => void) {
    this.#deliveries = deliveries
    this.#leave = leave
  }

  /**
   * @returns what `publish` answers: at once while it runs, when the message was delivered or refused while it is
   * paused
   */
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

  #nextWaiting(): WaitingMessage | undefined {
    return this.#mode === 'running' ? this.#waiting.shift() : undefined
  }

  ack(): void {}
  storeAway(): void {}

  /** Messages that wait are not delivered: their publishers learn that no server took them, and keep them. */
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
