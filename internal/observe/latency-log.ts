import type { Logger } from 'pino'
import { type LatencyRecorder, statsLine } from './latency.ts'

export interface LatencyLogOptions {
  readonly latencies: {
    readonly internal: LatencyRecorder
    readonly e2e: LatencyRecorder
    readonly durable: LatencyRecorder
  }
  readonly logger: Logger
  readonly everyMs: number
  /** Logs after this many messages instead; 0 means by time. */
  readonly everyMessages: number
}

/** Says the three latencies of the last period, every so often and at the end. A period without a message says nothing. */
export class LatencyLog {
  readonly #options: LatencyLogOptions
  #messages = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: LatencyLogOptions) {
    this.#options = options
  }

  /** Counts a message, where the log goes by messages. */
  message(): void {
    if (this.#options.everyMessages === 0) return
    if (++this.#messages >= this.#options.everyMessages) this.#write()
  }

  start(): void {
    const { everyMessages, everyMs } = this.#options
    if (everyMessages === 0) this.#timer = setInterval(() => this.#write(), everyMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#write()
  }

  #write(): void {
    this.#messages = 0
    const { latencies, logger } = this.#options
    for (const [name, recorder] of [
      ['INTERNAL', latencies.internal],
      ['E2E', latencies.e2e],
      ['DURABLE', latencies.durable],
    ] as const) {
      const summary = recorder.takePeriod()
      if (summary.count > 0) logger.info(statsLine(name, summary))
    }
  }
}
