import type { Logger } from 'pino'
import type { BrokerStats, Delivery, MessageHandler } from './broker.ts'

/** Numbers the messages of one subscription and hands them over. A handler that throws is our bug, never the end of the way. */
export class Deliveries {
  readonly #handler: MessageHandler
  readonly #stats: BrokerStats
  readonly #logger: Logger
  readonly #delivery: Delivery = { id: 0, tie: 0 }
  #throwing = false

  constructor(handler: MessageHandler, stats: BrokerStats, logger: Logger) {
    this.#handler = handler
    this.#stats = stats
    this.#logger = logger
  }

  /** @param tie the message's own, where the engine has one that is the same again at the next delivery */
  deliver(payload: Buffer, tie?: number): void {
    const delivery = this.#delivery
    delivery.id++
    delivery.tie = tie ?? -1
    try {
      this.#handler(payload, delivery)
      this.#throwing = false
    } catch (error) {
      this.#stats.handlerErrors++
      if (!this.#throwing) this.#logger.error({ err: error }, 'a message was lost: its handler threw')
      this.#throwing = true
    }
  }
}
