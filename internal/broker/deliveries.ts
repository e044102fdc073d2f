import type { Logger } from 'pino'
import { errorText } from '../text/error-text.ts'
import type { BrokerStats, Delivery, MessageHandler, SubscribeOptions } from './broker.ts'

/** Numbers the messages of one subscription and hands them over. A handler that throws is our bug, never the end of the way. */
export class Deliveries {
  readonly #handler: MessageHandler
  readonly #options: SubscribeOptions
  readonly #stats: BrokerStats
  readonly #logger: Logger
  readonly #delivery: Delivery = { id: 0, tie: 0, redelivered: false }
  #throwing = false

  constructor(handler: MessageHandler, options: SubscribeOptions, stats: BrokerStats, logger: Logger) {
    this.#handler = handler
    this.#options = options
    this.#stats = stats
    this.#logger = logger
  }

  /**
   * @param tie the message's own, where the engine has one that is the same again at the next delivery
   * @returns what the handler threw, for people; '' when it took the message
   */
  deliver(payload: Buffer, tie = -1, redelivered = false): string {
    const delivery = this.#delivery
    delivery.id++
    delivery.tie = tie
    delivery.redelivered = redelivered
    try {
      this.#handler(payload, delivery)
      this.#throwing = false
      return ''
    } catch (error) {
      this.#stats.handlerErrors++
      if (!this.#throwing) this.#logger.error({ err: error }, 'the handler threw on a message')
      this.#throwing = true
      return errorText(error)
    }
  }

  /** Delivers a message that comes only once: one that cannot be borne is poison at once. */
  deliverOnce(payload: Buffer): void {
    const problem = this.deliver(payload)
    if (problem !== '') this.poison(Buffer.from(payload), '', 1, problem).catch(() => {})
  }

  /** Gives a message up to whoever keeps such. Rejects when that one failed too: then the message should stay where it is. */
  async poison(payload: Buffer, id: string, deliveries: number, problem: string): Promise<void> {
    try {
      if (this.#options.onPoison === undefined) throw new Error('nobody keeps messages that are poison')
      await this.#options.onPoison(payload, id, deliveries, problem)
    } catch (error) {
      this.#stats.handlerErrors++
      this.#logger.error({ err: error, id, deliveries, problem }, 'a message that is poison could not be given up')
      throw error
    }
  }
}
