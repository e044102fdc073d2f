import type { Logger } from 'pino'
import { checkTransition, type Transitions } from '../lifecycle/transition.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { errorText } from '../text/error-text.ts'
import { Backoff } from '../time/backoff.ts'
import type { FieldKind } from '../sample/value.ts'
import {
  type HistoryQuery,
  type HistorySeries,
  type KnownHost,
  type NewestQuery,
  type RowsQuery,
  StoreError,
  type StoredRow,
  type StoreReader,
} from './store.ts'

/**
 * What is known of the store.
 *
 * | state     | queries           | ends when                                                    |
 * |-----------|-------------------|--------------------------------------------------------------|
 * | available | go to the store   | one fails with `away` or takes long, or it is time to look   |
 * | suspected | go to the store   | the probe has an answer                                      |
 * | paused    | are refused       | the pause is over                                            |
 * | probing   | are refused       | the probe has an answer                                      |
 * | closed    | are refused       | never                                                        |
 *
 * Only a probe decides: a query that fails or is slow says little of the store, because it may ask for too much.
 */
type State = 'available' | 'suspected' | 'paused' | 'probing' | 'closed'

const TRANSITIONS: Transitions<State> = {
  available: ['suspected', 'closed'],
  suspected: ['available', 'paused', 'closed'],
  paused: ['probing', 'closed'],
  probing: ['available', 'paused', 'closed'],
  closed: [],
}

/**
 * After this time without an answer to a query, and again after each such time, the probe finds out whether the store
 * hangs. With the time of the probe it is below a second, so that a person who waits for an answer gets one.
 */
const SLOW_MS = 300
/** A store that works answers the probe within 10 ms, one under full load within 100 ms (InfluxDB 1.6 on two cores). */
const PROBE_TIMEOUT_MS = 600
/** How often a store that nobody asks is probed: `/ready` is true without a request. */
const LOOK_EVERY_MS = 5_000
/** The same for a store that refuses: a bucket may be made, or a token replaced, at any moment. */
const LOOK_AFTER_REFUSAL_MS = 1_000
const FIRST_PAUSE_MS = 250
/** The store is asked again soon after it is back, and 30 times a minute costs it nothing. */
const LARGEST_PAUSE_MS = 2_000

export interface ReadBreakerOptions {
  /** Belongs to the breaker, but is closed by its opener. */
  readonly reader: StoreReader
  readonly logger: Logger
}

/** Counts since the start. */
export interface ReadBreakerStats {
  /** Times that the store was found away. */
  outages: number
  /** Queries that ended at once, because the store was away, or was found away while they ran. */
  refused: number
}

/**
 * The circuit breaker in front of a store's reader. While the store is away, queries end at once with the reason, and a
 * probe after each pause finds out whether it is back. Queries that run when the store is found to hang end then, too.
 */
export class ReadBreaker implements StoreReader {
  readonly stats: ReadBreakerStats = { outages: 0, refused: 0 }

  readonly #reader: StoreReader
  readonly #throttle: LogThrottle
  readonly #backoff = new Backoff({ firstMs: FIRST_PAUSE_MS, largestMs: LARGEST_PAUSE_MS })
  readonly #running = new Set<AbortController>()
  #state: State = 'available'
  #problem = ''
  /** Probes in a row that were refused for the same reason. */
  #refusals = 0
  #awaySinceMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor({ reader, logger }: ReadBreakerOptions) {
    this.#reader = reader
    this.#throttle = new LogThrottle(logger)
    // At once: until then nobody knows whether the store answers, and `/ready` would say that it does.
    this.#startTimer(0, () => this.#suspect())
  }

  /** Why queries are not answered, or '' when they are. A store that refuses the probe answers, but has a problem. */
  get problem(): string {
    return this.#problem
  }

  /** Whether queries end at once, because the store is away. */
  get isAway(): boolean {
    return this.#state === 'paused' || this.#state === 'probing'
  }

  hosts(sinceUs: number, signal: AbortSignal): Promise<KnownHost[]> {
    return this.#ask(signal, (limited) => this.#reader.hosts(sinceUs, limited))
  }

  hasHost(host: string, signal: AbortSignal): Promise<boolean> {
    return this.#ask(signal, (limited) => this.#reader.hasHost(host, limited))
  }

  history(query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]> {
    return this.#ask(signal, (limited) => this.#reader.history(query, limited))
  }

  rows(query: RowsQuery, signal: AbortSignal): Promise<StoredRow[]> {
    return this.#ask(signal, (limited) => this.#reader.rows(query, limited))
  }

  newest(query: NewestQuery, signal: AbortSignal): Promise<StoredRow[]> {
    return this.#ask(signal, (limited) => this.#reader.newest(query, limited))
  }

  fieldKinds(measurement: string, signal: AbortSignal): Promise<ReadonlyMap<string, FieldKind>> {
    return this.#ask(signal, (limited) => this.#reader.fieldKinds(measurement, limited))
  }

  get writeParquet(): StoreReader['writeParquet'] {
    if (this.#reader.writeParquet === undefined) return undefined
    return (query, path, signal) => this.#ask(signal, (limited) => this.#reader.writeParquet!(query, path, limited))
  }

  probe(signal: AbortSignal): Promise<void> {
    return this.#reader.probe(signal)
  }

  /** No probe begins any more. The reader stays open for its opener. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#change('closed')
    clearTimeout(this.#timer)
    this.#throttle.flush()
  }

  async #ask<T>(signal: AbortSignal, question: (limited: AbortSignal) => Promise<T>): Promise<T> {
    if (this.isAway || this.#state === 'closed') throw this.#refusal()
    const away = new AbortController()
    this.#running.add(away)
    const slow = setInterval(() => this.#suspect(), SLOW_MS)
    try {
      // A race, because a store in this process may be unable to end a query.
      return await Promise.race([question(AbortSignal.any([signal, away.signal])), aborted(away.signal)])
    } catch (cause) {
      if (away.signal.aborted) throw this.#refusal(cause)
      if (!signal.aborted && cause instanceof StoreError && cause.kind === 'away') this.#suspect()
      throw cause
    } finally {
      clearInterval(slow)
      this.#running.delete(away)
    }
  }

  #refusal(cause?: unknown): StoreError {
    this.stats.refused++
    return new StoreError('away', this.#problem === '' ? 'the reader of the store is closed' : this.#problem, { cause })
  }

  #suspect(): void {
    if (this.#state !== 'available') return
    this.#change('suspected')
    void this.#probe()
  }

  async #probe(): Promise<void> {
    const problem = await this.#problemNow()
    if (this.#state === 'closed') return
    if (problem?.kind === 'away') this.#pause(problem)
    else this.#resume(problem)
  }

  /** What is wrong with the store. Never rejects. */
  async #problemNow(): Promise<StoreError | undefined> {
    const timeout = new AbortController()
    // An answer that came while this process was busy is read before the signal.
    const timer = setTimeout(() => setImmediate(() => timeout.abort()), PROBE_TIMEOUT_MS)
    try {
      await Promise.race([this.#reader.probe(timeout.signal), aborted(timeout.signal)])
      return undefined
    } catch (cause) {
      if (timeout.signal.aborted) {
        return new StoreError('away', `the store does not answer a small query within ${PROBE_TIMEOUT_MS} ms`, {
          cause,
        })
      }
      return cause instanceof StoreError ? cause : new StoreError('away', errorText(cause), { cause })
    } finally {
      clearTimeout(timer)
    }
  }

  #pause(problem: StoreError): void {
    if (!this.isAway) {
      this.stats.outages++
      this.#awaySinceMs = performance.now()
      this.#throttle.warn('away', { err: problem }, 'the store does not answer: only live values until it is back')
    }
    this.#change('paused')
    this.#problem = problem.message
    for (const away of this.#running) away.abort()
    this.#startTimer(this.#backoff.nextMs(), () => {
      this.#change('probing')
      void this.#probe()
    })
  }

  /** @param refusal the store answers, but refuses: credentials or names are wrong, and each query says so */
  #resume(refusal: StoreError | undefined): void {
    if (this.isAway) {
      const awayMs = Math.round(performance.now() - this.#awaySinceMs)
      this.#throttle.info('back', { awayMs }, 'the store answers queries again')
    }
    const problem = refusal?.message ?? ''
    this.#refusals = refusal === undefined ? 0 : problem === this.#problem ? this.#refusals + 1 : 1
    // Not at the first, which may come while the server's first write still makes the database (InfluxDB 1.x).
    if (refusal !== undefined && this.#refusals === 2) {
      this.#throttle.error('refused', { err: refusal }, 'the store refuses queries: check its credentials and names')
    }
    this.#change('available')
    this.#problem = problem
    this.#backoff.reset()
    this.#lookLater()
  }

  #lookLater(): void {
    this.#startTimer(this.#problem === '' ? LOOK_EVERY_MS : LOOK_AFTER_REFUSAL_MS, () => this.#suspect())
  }

  #startTimer(ms: number, run: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(run, ms).unref()
  }

  #change(to: State): void {
    if (checkTransition('the breaker of the reader', TRANSITIONS, this.#state, to)) this.#state = to
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  )
}
