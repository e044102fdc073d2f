import { type KnownHost, StoreError, type StoreReader } from '../../store/store.ts'
import type { Clock } from '../../time/clock.ts'

export interface KnownHostsOptions {
  readonly reader: StoreReader
  readonly clock: Clock
  /** How long the store may take to answer, ms. */
  readonly timeoutMs?: number
}

/** How far back the store is asked, µs. */
const WINDOW_US = 7 * 86_400e6
/** How long one answer of the store serves all requests, µs. */
const FRESH_US = 10e6
/** How long after a failure the store is not asked, µs. */
const RETRY_US = 2e6

/** The hosts that the store knows. */
export interface HostsOfStore {
  readonly hosts: ReadonlyMap<string, KnownHost>
  /** Why the store did not answer. The hosts are then those of its last answer. */
  readonly failure: StoreError | undefined
}

/** The store's hosts of the last seven days. One query at a time serves all requests. */
export class KnownHosts {
  readonly #reader: StoreReader
  readonly #clock: Clock
  readonly #timeoutMs: number
  #last: HostsOfStore = { hosts: new Map(), failure: undefined }
  #goodUntil = 0
  #query: Promise<HostsOfStore> | undefined

  constructor(options: KnownHostsOptions) {
    this.#reader = options.reader
    this.#clock = options.clock
    this.#timeoutMs = options.timeoutMs ?? 3_000
  }

  /** Never rejects. */
  async get(): Promise<HostsOfStore> {
    if (this.#clock.now() < this.#goodUntil) return this.#last
    this.#query ??= this.#ask().finally(() => {
      this.#query = undefined
    })
    return this.#query
  }

  async #ask(): Promise<HostsOfStore> {
    // Several requests wait for this answer, so the signal of one request must not abort the query.
    const signal = AbortSignal.timeout(this.#timeoutMs)
    try {
      const hosts = await this.#reader.hosts(this.#clock.now() - WINDOW_US, signal)
      this.#last = { hosts: new Map(hosts.map((known) => [known.host, known])), failure: undefined }
      this.#goodUntil = this.#clock.now() + FRESH_US
    } catch (err) {
      const failure =
        err instanceof StoreError ? err : new StoreError('away', 'the hosts could not be listed', { cause: err })
      this.#last = { hosts: this.#last.hosts, failure }
      this.#goodUntil = this.#clock.now() + RETRY_US
    }
    return this.#last
  }
}
