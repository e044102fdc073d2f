import { type Deferred, deferred } from '../../time/deferred.ts'
import type { Subscription } from '../broker.ts'
import type { Deliveries } from '../deliveries.ts'

/** When a `publish` is answered. */
type AnsweredWhen = 'delivered' | 'acked'

interface WaitingMessage {
  readonly payload: Buffer
  readonly when: AnsweredWhen
  /** Resolves its `publish` with the number of servers that took it. */
  readonly taken: Deferred<number>
}

interface UnackedMessage {
  readonly delivery: number
  readonly acked: Deferred<number>
}

/**
 * The one subscriber of a memory broker. Messages that come while it is paused wait here, and so do their publishers.
 */
export class MemorySubscription implements Subscription {
  readonly #deliveries: Deliveries
  readonly #leave: () => void
  readonly #waiting: WaitingMessage[] = []
  /** Delivered messages whose publishers wait for the ack, in the order of their deliveries. */
  readonly #unacked: UnackedMessage[] = []
  #ackedUpTo = 0
  /** `running` and `paused` follow each other; `stopped` and then `closed` are the end. */
  #mode: 'running' | 'paused' | 'stopped' | 'closed' = 'running'

  /** @param leave called once, when it stops */
  constructor(deliveries: Deliveries, leave: () => void) {
    this.#deliveries = deliveries
    this.#leave = leave
  }

  /**
   * @returns what the publisher is answered: when the message was delivered, or acked; at once where it is refused
   */
  take(payload: Buffer, when: AnsweredWhen): number | Promise<number> {
    if (this.#mode === 'running' && this.#waiting.length === 0) return this.#deliver(payload, when)
    const taken = deferred<number>()
    this.#waiting.push({ payload, when, taken })
    return taken.promise
  }

  pause(): void {
    if (this.#mode === 'running') this.#mode = 'paused'
  }

  resume(): void {
    if (this.#mode === 'stopped' || this.#mode === 'closed') return
    this.#mode = 'running'
    // A handler may pause again at any message.
    for (let next = this.#nextWaiting(); next !== undefined; next = this.#nextWaiting()) {
      const { payload, when, taken } = next
      const answer = this.#deliver(payload, when)
      if (typeof answer === 'number') taken.resolve(answer)
      else void answer.then((receivers) => taken.resolve(receivers))
    }
  }

  #deliver(payload: Buffer, when: AnsweredWhen): number | Promise<number> {
    const poisoned = this.#deliveries.deliverOnce(payload)
    if (when === 'delivered') return 1
    if (poisoned !== undefined) {
      return poisoned.then(
        () => 1,
        () => 0,
      )
    }
    const { lastId } = this.#deliveries
    if (lastId <= this.#ackedUpTo) return 1
    const acked = deferred<number>()
    this.#unacked.push({ delivery: lastId, acked })
    return acked.promise
  }

  #nextWaiting(): WaitingMessage | undefined {
    return this.#mode === 'running' ? this.#waiting.shift() : undefined
  }

  ack(upTo: number): void {
    this.#ackedUpTo = Math.max(this.#ackedUpTo, upTo)
    const firstLeft = this.#unacked.findIndex(({ delivery }) => delivery > upTo)
    const acked = this.#unacked.splice(0, firstLeft < 0 ? this.#unacked.length : firstLeft)
    for (const message of acked) message.acked.resolve(1)
  }

  storeAway(): void {}

  /** Messages that wait are not delivered: their publishers learn that no server took them, and keep them. */
  async stop(): Promise<void> {
    if (this.#mode === 'stopped' || this.#mode === 'closed') return
    this.#mode = 'stopped'
    this.#leave()
    for (const { taken } of this.#waiting.splice(0)) taken.resolve(0)
  }

  async close(): Promise<void> {
    await this.stop()
    this.#mode = 'closed'
    for (const { acked } of this.#unacked.splice(0)) acked.resolve(0)
  }
}
