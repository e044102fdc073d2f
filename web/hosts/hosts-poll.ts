import { ApiError, getHosts, type HostsAnswer } from '../shared/api.ts'

/** How long after an answer the API is asked again, ms. */
const PAUSE_MS = { ok: 2000, away: 1000, locked: 10_000 }

export interface HostsPollEvents {
  /** What the list shows now: the chosen host, and the hosts whose names contain the filter. */
  wanted(): { readonly chosen: string | null; readonly filter: string }
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
  /** There are more hosts than one answer has, so the API filters them. */
  #isLarge = false

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

  /** The filter has changed. Only a list that is not complete needs another answer for that. */
  filtered(): void {
    if (this.#isLarge) this.#ask()
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
      const answer = await this.#getHosts(signal)
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

  /** With more hosts than one answer has, the chosen one comes first. */
  async #getHosts(signal: AbortSignal): Promise<HostsAnswer> {
    const { chosen, filter } = this.#events.wanted()
    const answer = await getHosts(this.#isLarge ? { contains: filter } : {}, signal)
    const isCut = answer.total > answer.hosts.length
    // The filter is left out of the first question, so an answer without it says how many hosts there are.
    if (isCut || filter === '') this.#isLarge = isCut
    if (chosen === null || !this.#isLarge || answer.hosts.some(({ host }) => host === chosen)) return answer
    const { hosts } = await getHosts({ host: chosen }, signal)
    return { ...answer, hosts: [...hosts, ...answer.hosts] }
  }
}
