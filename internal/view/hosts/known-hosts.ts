import { type KnownHost, StoreError, type StoreReader } from '../../store/store.ts'
import type { Clock } from '../../time/clock.ts'

export interface KnownHostsOptions {
  readonly reader: StoreReader
  readonly clock: Clock
  /** How far back the store is asked, µs. */
  readonly windowUs?: number
  /** An answer serves all for this long, µs. */
  readonly freshUs?: number
  /** After a failure the store is left in peace for this long, µs. */
  readonly retryUs?: number
  readonly timeoutMs?: number
}

/** The hosts that the store knows of, and whether it has just said so. */
export interface HostsOfStore {
  readonly hosts: ReadonlyMap<string, KnownHost>
  /** Why the store did not answer; the hosts are then those of its last answer. */
  readonly failure: StoreError | undefined
}

/** The store's hosts of the last seven days, asked for by one query at a time, however many want to know. */
export class KnownHosts {
  readonly #reader: StoreReader
  readonly #clock: Clock
  readonly #windowUs: number
  readonly #freshUs: number
  readonly #retryUs: number
  readonly #timeoutMs: number
  #last: HostsOfStore = { hosts: new Map(), failure: undefined }
  #goodUntil = 0
  #query: Promise<HostsOfStore> | undefined

  constructor(options: KnownHostsOptions) {
    this.#reader = options.reader
    this.#clock = options.clock
    this.#windowUs = options.windowUs ?? 7 * 86_400e6
    this.#freshUs = options.freshUs ?? 10e6
    this.#retryUs = options.retryUs ?? 2e6
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
    // A signal of its own: the answer is for all who wait, so no single one of them may call it off.
    const signal = AbortSignal.timeout(this.#timeoutMs)
    try {
      const hosts = await this.#reader.hosts(this.#clock.now() - this.#windowUs, signal)
      this.#last = { hosts: new Map(hosts.map((known) => [known.host, known])), failure: undefined }
      this.#goodUntil = this.#clock.now() + this.#freshUs
    } catch (err) {
      const failure =
        err instanceof StoreError ? err : new StoreError('away', 'the hosts could not be listed', { cause: err })
      this.#last = { hosts: this.#last.hosts, failure }
      this.#goodUntil = this.#clock.now() + this.#retryUs
    }
    return this.#last
  }
}
