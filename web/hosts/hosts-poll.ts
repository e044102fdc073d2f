import { ApiError, getHosts, type HostsAnswer } from '../shared/api.ts'

/** How long after an answer the API is asked again, ms. */
const PAUSE_MS = { ok: 2000, away: 1000, locked: 10_000 }

export interface HostsPollEvents {
  /** Both times of the round trip are those of `performance.now()`. */
  answered(answer: HostsAnswer, sentAtMs: number, receivedAtMs: number): void
  failed(error: ApiError): void
}

/** Asks for the hosts again and again. */
export class HostsPoll {
  readonly #events: HostsPollEvents
  #abort = new AbortController()
  /** Undefined while an answer is on its way. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #askAgain = false

  constructor(events: HostsPollEvents) {
    this.#events = events
  }

  start(): void {
    this.#ask()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#abort.abort()
  }

  /**
   * Asks at once, because there may be a first host. While an answer is on its way, it waits for that answer, and asks
   * again only if the answer names no host. A new request at each call could abort every answer before it arrives.
   */
  soon(): void {
    if (this.#timer === undefined) this.#askAgain = true
    else this.#ask()
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#askAgain = false
    this.#abort.abort()
    this.#abort = new AbortController()
    const { signal } = this.#abort
    const sentAtMs = performance.now()
    let pauseMs = PAUSE_MS.ok
    try {
      const answer = await getHosts(signal)
      if (answer.hosts.length > 0) this.#askAgain = false
      this.#events.answered(answer, sentAtMs, performance.now())
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      pauseMs = PAUSE_MS[error.state]
      this.#events.failed(error)
    }
    this.#timer = setTimeout(() => this.#ask(), this.#askAgain ? 0 : pauseMs)
  }
}
