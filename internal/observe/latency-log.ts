import type { Logger } from 'pino'
import { type LatencyRecorder, statsLine } from './latency.ts'

export interface LatencyLogOptions extends LogRhythm {
  readonly latencies: {
    readonly internal: LatencyRecorder
    readonly e2e: LatencyRecorder
    readonly durable: LatencyRecorder
  }
  readonly logger: Logger
}

interface LogRhythm {
  readonly everyMs: number
  /** Logs after this many messages instead; 0 means by time. */
  readonly everyMessages: number
}

/** Says the three latencies of the last period, every so often and at the end. A period without a message says nothing. */
export class LatencyLog {
  readonly #options: LatencyLogOptions
  #everyMessages: number
  #messages = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: LatencyLogOptions) {
    this.#options = options
    this.#everyMessages = options.everyMessages
  }

  /** Counts a message, where the log goes by messages. */
  message(): void {
    if (this.#everyMessages === 0) return
    if (++this.#messages >= this.#everyMessages) this.#write()
  }

  start(): void {
    this.setRhythm(this.#options)
  }

  /** A period begins anew with it. */
  setRhythm({ everyMs, everyMessages }: LogRhythm): void {
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
