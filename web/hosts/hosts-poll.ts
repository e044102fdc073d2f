import { getFirstHosts, getHost, getHostsAfter, type Host, type HostRow, type HostsPage } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'

/** How long after an answer the API is asked again, ms. */
const PAUSE_MS = 2000
/** For more hosts than this, the pause grows with them: 10,000 are 0.7 MB. */
const HOSTS_IN_PAUSE = 10_000
/** The page of so many takes 10 MB. */
const MOST_HOSTS = 100_000

/** The hosts that the API knows. */
export interface AllHosts {
  /** The clock of the server, µs since the epoch. */
  readonly now: number
  /** How many hosts there are, also those that the page has no room for. */
  readonly total: number
  /** By name. The first ones have all figures. */
  readonly hosts: ReadonlyArray<Host | HostRow>
}

export interface HostsPollEvents {
  /** Both times of the round trip are those of `performance.now()`. */
  answered(answer: AllHosts, sentAtMs: number, receivedAtMs: number): void
  /** All figures of the host that `follow` named. */
  described(host: Host): void
  failed(error: ApiError): void
}

/** Asks for the hosts again and again, page by page. */
export class HostsPoll {
  readonly #events: HostsPollEvents
  #abort = new AbortController()
  /** Undefined while an answer is on its way. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #askAgain = false
  /** How many hosts the list shows by now. */
  #shown = 0
  /** The host of which all figures are wanted, and the question for it alone. */
  #followed: string | null = null
  #describe = new AbortController()

  constructor(events: HostsPollEvents) {
    this.#events = events
  }

  start(): void {
    this.#ask()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#abort.abort()
    this.#describe.abort()
  }

  /**
   * Asks at once, because there may be a first host. While an answer is on its way, it waits for that answer, and asks
   * again only if the answer names no host. A new request at each call could abort every answer before it arrives.
   */
  soon(): void {
    if (this.#timer === undefined) this.#askAgain = true
    else this.#ask()
  }

  /** Wants all figures of a host with each answer. @param known whether the page has them now */
  follow(host: string | null, known: boolean): void {
    this.#followed = host
    if (!known) this.#askForFollowed()
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#askAgain = false
    this.#abort.abort()
    this.#abort = new AbortController()
    const { signal } = this.#abort
    let pauseMs = PAUSE_MS
    try {
      await this.#askForAll(signal)
      if (this.#shown > 0) this.#askAgain = false
      pauseMs *= Math.max(1, this.#shown / HOSTS_IN_PAUSE)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      pauseMs = error.retryMs
      this.#events.failed(error)
    }
    this.#timer = setTimeout(() => this.#ask(), this.#askAgain ? 0 : pauseMs)
  }

  async #askForAll(signal: AbortSignal): Promise<void> {
    const sentAtMs = performance.now()
    const first = await getFirstHosts(signal)
    const receivedAtMs = performance.now()
    const answered = (hosts: AllHosts['hosts'], total: number): void => {
      this.#shown = hosts.length
      this.#events.answered({ now: first.now, total, hosts }, sentAtMs, receivedAtMs)
    }
    // The first page stands alone until the others are there, but never takes the place of a longer list.
    if (first.next === null || this.#shown <= first.hosts.length) answered(first.hosts, first.total)
    if (first.next === null) return
    let hosts: AllHosts['hosts'] = first.hosts
    let newest: HostsPage<HostRow> = first
    while (newest.next !== null && hosts.length < MOST_HOSTS) {
      newest = await getHostsAfter(newest.next, signal)
      hosts = [...hosts, ...newest.hosts]
    }
    answered(hosts, newest.total)
    if (!first.hosts.some(({ host }) => host === this.#followed)) await this.#askForFollowed()
  }

  async #askForFollowed(): Promise<void> {
    this.#describe.abort()
    this.#describe = new AbortController()
    const { signal } = this.#describe
    const name = this.#followed
    if (name === null) return
    try {
      const host = await getHost(name, signal)
      if (host !== undefined && !signal.aborted) this.#events.described(host)
    } catch (error) {
      // An API that does not answer is told by the questions for all hosts.
      if (!signal.aborted && !(error instanceof ApiError)) throw error
    }
  }
}
