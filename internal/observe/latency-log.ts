import type { Logger } from 'pino'
import { type LatencyRecorder, statsLine } from './latency.ts'

export interface LatencyLogOptions extends LogPeriod {
  readonly latencies: {
    readonly internal: LatencyRecorder
    readonly e2e: LatencyRecorder
    readonly durable: LatencyRecorder
  }
  readonly logger: Logger
}

interface LogPeriod {
  readonly everyMs: number
  /** Logs after this many messages instead of by time; 0 means by time. */
  readonly everyMessages: number
}

/** Logs the three latencies of each period, and at the end. A period without messages is not logged. */
export class LatencyLog {
  readonly #options: LatencyLogOptions
  #everyMessages: number
  #messages = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: LatencyLogOptions) {
    this.#options = options
    this.#everyMessages = options.everyMessages
  }

  /** Counts a message, for a log by messages. */
  message(): void {
    if (this.#everyMessages === 0) return
    if (++this.#messages >= this.#everyMessages) this.#write()
  }

  start(): void {
    this.setPeriod(this.#options)
  }

  /** Changes when it logs, and starts a new period. */
  setPeriod({ everyMs, everyMessages }: LogPeriod): void {
    clearInterval(this.#timer)
    this.#everyMessages = everyMessages
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
