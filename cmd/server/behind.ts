import type { Logger } from 'pino'
import type { Broker } from '../../internal/broker/broker.ts'
import type { Pipeline } from '../../internal/ingest/pipeline.ts'
import { ageText } from '../../internal/text/duration.ts'
import { sizeText } from '../../internal/text/size.ts'
import { unreadAgeMs } from '../parts/broker-metrics.ts'

export interface BehindOptions {
  readonly broker: Pick<Broker, 'behind' | 'unread' | 'backlog' | 'stats'>
  readonly pipeline: Pick<Pipeline, 'breaker' | 'queue' | 'isFull' | 'held'>
  readonly logger: Logger
}

/** What waits for longer makes a server behind, until nothing waits for longer than the second: it must not flap. */
const BEHIND_MS = 5000
const KEEPS_UP_MS = 1000

const NEXT = 'If this lasts: a faster store, more CPU, or more servers (broker.partitions)'

/**
 * Whether a server is behind: it reads less than comes, or its store takes less. Nothing is lost by that: what waits is
 * with the agents, in Redis, in memory or in the spool. But somebody should look. While the store is away, that alone is
 * said.
 */
export class Behind {
  readonly #options: BehindOptions
  #sinceMs: number | undefined
  #heldBackBefore = 0

  constructor(options: BehindOptions) {
    this.#options = options
  }

  /** Why, in words with the next step; '' while the server keeps up. */
  get problem(): string {
    return this.#sinceMs === undefined ? '' : `behind: ${this.#cause}. ${NEXT}`
  }

  /** Finds out, and logs a change. To be called about once a second. */
  look(): void {
    const { broker, pipeline, logger } = this.#options
    const wasBehind = this.#sinceMs !== undefined
    if (this.#isBehind(wasBehind) === wasBehind) return
    if (this.#sinceMs === undefined) {
      this.#sinceMs = performance.now()
      this.#heldBackBefore = broker.stats.heldBack
      logger.warn({ held: pipeline.held }, this.problem)
      return
    }
    const behindMs = Math.round(performance.now() - this.#sinceMs)
    this.#sinceMs = undefined
    const heldBack = broker.stats.heldBack - this.#heldBackBefore
    logger.info({ behindMs, heldBack, held: pipeline.held }, 'this server keeps up again')
  }

  #isBehind(wasBehind: boolean): boolean {
    const { broker, pipeline } = this.#options
    if (pipeline.breaker.problem !== '') return false
    if (pipeline.isFull || (broker.behind ?? '') !== '') return true
    return Math.max(pipeline.queue.waitsMs, unreadAgeMs(broker)) >= (wasBehind ? KEEPS_UP_MS : BEHIND_MS)
  }

  get #cause(): string {
    const { broker, pipeline } = this.#options
    const { bytes, waitsMs } = pipeline.queue
    const waits = `samples are stored ${ageText(waitsMs)} after they came, and ${sizeText(bytes)} wait for the store`
    if (pipeline.isFull) return `${waits}: the broker is not read until half of them are written`
    if ((broker.behind ?? '') !== '') return broker.behind!
    const unreadMs = unreadAgeMs(broker)
    return unreadMs > waitsMs ? `messages are read ${ageText(unreadMs)} after they were published` : waits
  }
}
