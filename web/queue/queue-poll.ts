import { getQueue, type QueueAnswer } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'

/** How long after an answer the API is asked again, ms: the API looks at most once a second. */
const PAUSE_MS = 1000

export interface QueuePollEvents {
  /** The same answer again where nothing has changed. */
  answered(answer: QueueAnswer): void
  failed(error: ApiError): void
}

/** Asks for the queue once a second. An answer that is the same is not sent again. */
export class QueuePoll {
  readonly #events: QueuePollEvents
  #abort = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #newest: QueueAnswer | undefined

  constructor(events: QueuePollEvents) {
    this.#events = events
  }

  start(): void {
    this.stop()
    this.#abort = new AbortController()
    void this.#ask(this.#abort.signal)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#abort.abort()
  }

  async #ask(signal: AbortSignal): Promise<void> {
    let pauseMs = PAUSE_MS
    try {
      this.#newest = await getQueue(this.#newest, signal)
      this.#events.answered(this.#newest)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      pauseMs = error.retryMs
      this.#events.failed(error)
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.#ask(signal), pauseMs)
  }
}
