import type { Logger } from 'pino'
import { errorText } from '../text/error-text.ts'
import type { BrokerStats, Delivery, MessageHandler, SubscribeOptions } from './broker.ts'

/**
 * Numbers the messages of one subscription and calls the handler. A handler that throws is a bug of ours; it never ends
 * the subscription.
 */
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

  /** The number of the newest delivery. */
  get lastId(): number {
    return this.#delivery.id
  }

  /**
   * @param tie of the message, where the engine may deliver it again; otherwise −1
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

  /**
   * Delivers a message that the engine delivers once only. If the handler throws on it, it is poison at once.
   *
   * @returns for poison, a promise that settles as `poison` does: its rejection counts as handled
   */
  deliverOnce(payload: Buffer): Promise<void> | undefined {
    const problem = this.deliver(payload)
    if (problem === '') return undefined
    const kept = this.poison(Buffer.from(payload), '', 1, problem)
    kept.catch(() => {})
    return kept
  }

  /** Hands a poison message to `onPoison`. Rejects when that fails: then the message should stay in the engine. */
  async poison(payload: Buffer, id: string, deliveries: number, problem: string): Promise<void> {
    try {
      if (this.#options.onPoison === undefined) throw new Error('the subscriber has no onPoison')
      await this.#options.onPoison(payload, id, deliveries, problem)
    } catch (error) {
      this.#stats.handlerErrors++
      this.#logger.error({ err: error, id, deliveries, problem }, 'a poison message could not be kept as a dead letter')
      throw error
    }
  }
}
