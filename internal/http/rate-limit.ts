import type { App } from './app-types.ts'
import { clientOf, isLoopback } from './connection-limit.ts'
import { AddressLimitError } from './errors.ts'

const SETTING = '--api-requests-per-minute or SENTINEL_API_REQUESTS_PER_MINUTE'
const WINDOW_MS = 60_000
/** Of so many addresses requests are counted; of one more the oldest is forgotten. */
const MOST_ADDRESSES = 10_000

/** The requests of one client since its window began. */
interface Window {
  requests: number
  /** By the monotonic timer. */
  endsAtMs: number
}

/**
 * Limits the requests that one address may make; one more is answered with 429. Loopback is not counted: local users
 * run the dashboards, and could overload the machine in other ways.
 *
 * The plugin of fastify took 5 µs a request for its promises, headers and the client of an address, and a short answer
 * takes 17 in all. This takes 0.3.
 */
export class AddressLimit {
  readonly #windows = new Windows()
  readonly #perMinute: () => number
  readonly #setting: string

  /**
   * @param perMinute a function is asked at each request
   * @param setting that allows more
   */
  constructor(perMinute: number | (() => number), setting = SETTING) {
    this.#perMinute = typeof perMinute === 'number' ? () => perMinute : perMinute
    this.#setting = setting
  }

  /** Counts a request. @returns why it is refused */
  refusal(address: string): AddressLimitError | undefined {
    if (isLoopback(address)) return undefined
    const nowMs = performance.now()
    const window = this.#windows.of(address)
    if (nowMs >= window.endsAtMs) {
      window.requests = 0
      window.endsAtMs = nowMs + WINDOW_MS
    }
    const most = this.#perMinute()
    if (++window.requests <= most) return undefined
    const seconds = Math.max(1, Math.ceil((window.endsAtMs - nowMs) / 1000))
    return new AddressLimitError(address, `this address may ask ${most} times a minute`, this.#setting, seconds)
  }
}

/** Counts the requests to the routes of this scope. */
export function limitByAddress(scope: App, limit: AddressLimit): void {
  scope.addHook('onRequest', (request, _reply, done) => done(limit.refusal(request.ip)))
}

class Windows {
  readonly #ofClient = new Map<string, Window>()
  /** The same by address as it is written, because to find out the client of one takes longer than to count. */
  readonly #ofAddress = new Map<string, Window>()

  of(address: string): Window {
    const known = this.#ofAddress.get(address)
    if (known !== undefined) return known
    const client = clientOf(address)
    const window = this.#ofClient.get(client) ?? { requests: 0, endsAtMs: 0 }
    remember(this.#ofClient, client, window)
    remember(this.#ofAddress, address, window)
    return window
  }
}

function remember(windows: Map<string, Window>, key: string, window: Window): void {
  windows.set(key, window)
  if (windows.size <= MOST_ADDRESSES) return
  const [oldest] = windows.keys()
  windows.delete(oldest!)
}
