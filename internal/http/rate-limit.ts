import type { FastifyRequest } from 'fastify'
import type { App } from './app-types.ts'
import { clientOf, isLoopback } from './connection-limit.ts'
import type { Refusals } from './doorkeeper.ts'
import { AddressLimitError } from './errors.ts'

const WINDOW_MS = 60_000
/** Of so many clients requests are counted; of one more the oldest is forgotten. */
const MOST_CLIENTS = 10_000
/** A client that has less than this part of its requests left is told so in answers that are ready too. */
const SHORT_PART = 0.5

/** How many requests a client may make in a minute, and the setting that allows more. */
export interface Rate {
  readonly perMinute: () => number
  readonly setting: string
}

export interface RateLimitOptions {
  /** Of a client without a key: of an address. Loopback is not counted: local users run the dashboards, and could overload the machine in other ways. */
  readonly address: Rate
  /** Of a key, wherever it is used from. */
  readonly key: Rate
  /** Counts of other processes. */
  readonly sharing?: Sharing | undefined
}

/** The requests of one client since its window began. */
interface Window {
  /** That of processes which share: `address 192.0.2.7`, `key 5f3a`. */
  readonly name: string
  /** Requests to this process. */
  own: number
  /** Those of `own` that others know of. */
  told: number
  /** Requests to other processes. */
  others: number
  /** By the monotonic timer. */
  endsAtMs: number
}

/** Requests of a client that others shall know of, and the answer: what all have counted, and how long their window lasts. */
export interface SharedCount {
  readonly name: string
  readonly added: number
  readonly windowMs: number
}
export interface SharedTotal {
  readonly total: number
  readonly endsInMs: number
}

/** Processes that count together. */
export interface Sharing {
  /** @returns a total for each, in order @throws where nobody can be told: then each counts alone */
  add(counts: readonly SharedCount[]): Promise<readonly SharedTotal[]>
}

/** What a request leaves its client. */
export interface Counted {
  readonly most: number
  readonly left: number
  readonly resetSeconds: number
  /** What is counted: the name of the policy. */
  readonly by: 'address' | 'key'
  /** Why it is refused. */
  readonly refusal: AddressLimitError | undefined
}

/**
 * Limits the requests that one client may make; one more is answered with 429. A client is a key, or without one an address.
 *
 * The plugin of fastify took 5 µs a request for its promises, headers and the client of an address, and a short answer
 * takes 17 in all. This takes 0.3.
 */
export class RateLimit {
  readonly #options: RateLimitOptions
  readonly #byAddress = new Windows('address', clientOf)
  readonly #byKey = new Windows('key', (id) => id)
  readonly #shared: SharedWindows | undefined

  constructor(options: RateLimitOptions) {
    this.#options = options
    this.#shared = options.sharing && new SharedWindows(options.sharing)
  }

  /**
   * Counts a request.
   *
   * @param key the id of the key that it came with
   * @param nowMs by the monotonic timer
   * @returns undefined where it is not counted
   */
  count(address: string, key?: string, nowMs = performance.now()): Counted | undefined {
    if (key === undefined && isLoopback(address)) return undefined
    const by = key === undefined ? 'address' : 'key'
    const window = key === undefined ? this.#byAddress.of(address) : this.#byKey.of(key)
    const rate = this.#options[by]
    if (nowMs >= window.endsAtMs) {
      window.own = window.told = window.others = 0
      window.endsAtMs = nowMs + WINDOW_MS
    }
    const most = rate.perMinute()
    const left = most - ++window.own - window.others
    this.#shared?.note(window, most)
    const resetSeconds = Math.max(1, Math.ceil((window.endsAtMs - nowMs) / 1000))
    if (left >= 0) return { most, left, resetSeconds, by, refusal: undefined }
    const words = `this ${by} may ask ${most} times a minute`
    return {
      most,
      left: 0,
      resetSeconds,
      by,
      refusal: new AddressLimitError(address, words, rate.setting, resetSeconds),
    }
  }

  close(): void {
    this.#shared?.close()
  }
}

/** Those of the settings `requestsPerMinute` and `requestsPerMinutePerKey` of a group. */
export function ratesOf(
  group: 'api' | 'intake',
  { requestsPerMinute, requestsPerMinutePerKey }: Readonly<Record<RateSetting, number | (() => number)>>,
): Pick<RateLimitOptions, 'address' | 'key'> {
  const rate = (perMinute: number | (() => number), name: string): Rate => ({
    perMinute: typeof perMinute === 'number' ? () => perMinute : perMinute,
    setting: `--${group}-${name} or SENTINEL_${`${group}-${name}`.replaceAll('-', '_').toUpperCase()}`,
  })
  return {
    address: rate(requestsPerMinute, 'requests-per-minute'),
    key: rate(requestsPerMinutePerKey, 'requests-per-minute-per-key'),
  }
}

type RateSetting = 'requestsPerMinute' | 'requestsPerMinutePerKey'

/** As in the draft of the IETF: what the client may do, and what is left of it. */
export function rateHeaders({ by, most, left, resetSeconds }: Counted): Readonly<Record<string, string>> {
  return {
    'ratelimit-policy': `"${by}";q=${most};w=${WINDOW_MS / 1000}`,
    ratelimit: `"${by}";r=${left};t=${resetSeconds}`,
  }
}

/** Whether a client should hear of its limit soon. */
export function isShort({ left, most }: Counted): boolean {
  return left < most * SHORT_PART
}

/** Counts the requests to the routes of this scope, and tells their clients what is left. */
export function limitRate(scope: App, limit: RateLimit, refusals: Refusals): void {
  scope.addHook('onRequest', (request, reply, done) => {
    const counted = countRequest(limit, request)
    if (counted !== undefined) reply.headers(rateHeaders(counted))
    if (counted?.refusal !== undefined) refusals.rate++
    done(counted?.refusal)
  })
  scope.addHook('onClose', async () => limit.close())
}

export function countRequest(limit: RateLimit, request: FastifyRequest): Counted | undefined {
  return limit.count(request.ip, request.identity?.id)
}

class Windows {
  readonly #kind: string
  readonly #clientOf: (written: string) => string
  readonly #ofClient = new Map<string, Window>()
  /** The same by address as it is written, because to find out the client of one takes longer than to count. */
  readonly #asWritten = new Map<string, Window>()

  constructor(kind: string, clientOf: (written: string) => string) {
    this.#kind = kind
    this.#clientOf = clientOf
  }

  of(written: string): Window {
    const known = this.#asWritten.get(written)
    if (known !== undefined) return known
    const client = this.#clientOf(written)
    const name = `${this.#kind} ${client}`
    const window = this.#ofClient.get(client) ?? { name, own: 0, told: 0, others: 0, endsAtMs: 0 }
    remember(this.#ofClient, client, window)
    remember(this.#asWritten, written, window)
    return window
  }
}

function remember(windows: Map<string, Window>, key: string, window: Window): void {
  windows.set(key, window)
  if (windows.size <= MOST_CLIENTS) return
  const [oldest] = windows.keys()
  windows.delete(oldest!)
}

/** How often others are told. */
const TELL_MS = 1_000
/** They are told at once when a client has made such a part of its requests since: so all together allow little more than one alone. */
const TELL_PART = 0.05
const MOST_TOLD = 1_000

/** Tells other processes what was counted here, and learns what was there. No request waits for it. */
class SharedWindows {
  readonly #sharing: Sharing
  readonly #changed = new Set<Window>()
  readonly #timer = setInterval(() => {
    this.#isAway = false
    this.#tell()
  }, TELL_MS).unref()
  #isTelling = false
  #isAway = false

  constructor(sharing: Sharing) {
    this.#sharing = sharing
  }

  note(window: Window, most: number): void {
    this.#changed.add(window)
    if (!this.#isTelling && !this.#isAway && window.own - window.told >= most * TELL_PART) this.#tell()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tell(): void {
    if (this.#isTelling || this.#changed.size === 0) return
    this.#isTelling = true
    const windows = [...this.#changed].slice(0, MOST_TOLD)
    const counts = windows.map(({ name, own, told }) => ({ name, added: own - told, windowMs: WINDOW_MS }))
    const begun = windows.map(({ endsAtMs }) => endsAtMs)
    for (const window of windows) this.#changed.delete(window)
    this.#sharing
      .add(counts)
      .then((totals) => {
        for (const [i, window] of windows.entries()) {
          // Another window has begun meanwhile.
          if (window.endsAtMs !== begun[i]) continue
          const { total, endsInMs } = totals[i]!
          window.told += counts[i]!.added
          window.others = Math.max(0, total - window.told)
          window.endsAtMs = performance.now() + endsInMs
        }
      })
      // Each counts alone for so long, and tells it later.
      .catch(() => {
        this.#isAway = true
        for (const window of windows) this.#changed.add(window)
      })
      .finally(() => {
        this.#isTelling = false
      })
  }
}
