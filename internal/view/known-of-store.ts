import { StoreError } from '../store/store.ts'
import type { Clock } from '../time/clock.ts'

export interface KnownOfStoreOptions<T> {
  /** Asks the store. `nowUs` is when it is asked. */
  readonly ask: (nowUs: number, signal: AbortSignal) => Promise<ReadonlyMap<string, T>>
  /** What is listed, as an error says it. */
  readonly what: string
  readonly clock: Clock
  /** How long the store may take to answer, ms. */
  readonly timeoutMs?: number | undefined
  /** How long a request waits for an answer that the store has been asked for, ms. */
  readonly patienceMs?: number | undefined
}

/** How long one answer of the store serves all requests, µs. */
const FRESH_US = 10e6
/**
 * An answer serves ten times as long as the store took for it, so that listing hosts takes a tenth of the store's time
 * at most: InfluxDB 1.6 takes 7 s for each measurement that 100,000 hosts have.
 */
const FRESH_PER_DURATION = 10
const MAX_FRESH_US = 600e6
/** How long after a failure the store is not asked, µs. */
const RETRY_US = 2e6
const TIMEOUT_MS = 300_000
/** A store with few hosts answers in less. A person does not notice it. */
const PATIENCE_MS = 250

/** What the store knows, by name. */
export interface OfStore<T> {
  readonly found: ReadonlyMap<string, T>
  /** Whether this is all: the store has answered, and does not fail now. */
  readonly complete: boolean
  /** Why the store did not answer. What was found is then of its last answer. */
  readonly failure: StoreError | undefined
}

/**
 * An index of what the store has. One query at a time brings it up to date, and no request waits long for it: until
 * there is an answer, it is that of the last one.
 */
export class KnownOfStore<T> {
  readonly #options: KnownOfStoreOptions<T>
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #patienceMs: number
  #last: OfStore<T> = { found: new Map(), complete: false, failure: undefined }
  /** When the last answer came, and how long the store took for it, µs. */
  #answeredAt = 0
  #tookUs = 0
  /** When the store is asked again after a failure. */
  #retryAt = 0
  /** The query under way, or the time that a request waits for it: what ends first. */
  #query: Promise<unknown> | undefined

  constructor(options: KnownOfStoreOptions<T>) {
    this.#options = options
    this.#clock = options.clock
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS
  }

  /**
   * Never rejects.
   *
   * @param freshUs how old the answer may be, where the store gives it quickly
   */
  async get(freshUs = FRESH_US): Promise<OfStore<T>> {
    if (!this.#isGood(freshUs)) this.#query ??= this.#refresh()
    await this.#query
    return this.#last
  }

  /** The last answer, without waiting. A newer one is asked for where it is time. */
  get last(): OfStore<T> {
    if (!this.#isGood(FRESH_US)) this.#query ??= this.#refresh()
    return this.#last
  }

  #isGood(freshUs: number): boolean {
    const now = this.#clock.now()
    const goodUntil = this.#last.complete
      ? this.#answeredAt + Math.min(MAX_FRESH_US, Math.max(freshUs, this.#tookUs * FRESH_PER_DURATION))
      : this.#retryAt
    // An answer that is good for longer than any comes from before the clock was set back.
    return goodUntil > now && goodUntil - now <= MAX_FRESH_US
  }

  /** Begins a query. @returns when it has ended, or has taken longer than requests wait for it */
  #refresh(): Promise<unknown> {
    const answered = this.#ask().finally(() => {
      this.#query = undefined
    })
    return Promise.race([answered, new Promise((resolve) => setTimeout(resolve, this.#patienceMs).unref())])
  }

  async #ask(): Promise<void> {
    // Several requests wait for this answer, so the signal of one request must not abort the query.
    const signal = AbortSignal.timeout(this.#timeoutMs)
    const askedAt = this.#clock.now()
    try {
      const found = await this.#options.ask(askedAt, signal)
      const now = this.#clock.now()
      this.#last = { found, complete: true, failure: undefined }
      this.#answeredAt = now
      this.#tookUs = now - askedAt
    } catch (err) {
      const { what } = this.#options
      const failure =
        err instanceof StoreError ? err : new StoreError('away', `${what} could not be listed`, { cause: err })
      this.#last = { found: this.#last.found, complete: false, failure }
      this.#retryAt = this.#clock.now() + RETRY_US
    }
  }
}
