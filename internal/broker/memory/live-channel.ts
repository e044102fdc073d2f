import type { Logger } from 'pino'
import { type KeptReading, type LatestReading, LIVE_KEPT_MS, type LiveChannel } from '../broker.ts'

/** The live channel of the memory broker: calls its handlers before `publish` returns. */
export class MemoryLiveChannel implements LiveChannel {
  readonly #logger: Logger
  readonly #now: () => number
  readonly #handlers = new Set<(payload: Buffer) => void>()
  readonly #latest = new Map<string, { payload: Buffer; arrivedAtMs: number }>()

  /** @param now milliseconds since the epoch */
  constructor(logger: Logger, now: () => number) {
    this.#logger = logger
    this.#now = now
  }

  get isHeard(): boolean {
    return this.#handlers.size > 0
  }

  publish(payload: Buffer, latest: readonly LatestReading[]): void {
    const nowMs = this.#now()
    for (const { key, payload: kept, ageMs } of latest)
      this.#latest.set(key, { payload: kept, arrivedAtMs: nowMs - ageMs })
    for (const handler of this.#handlers) {
      try {
        handler(payload)
      } catch (error) {
        this.#logger.error({ err: error }, 'a live message was lost because its handler threw an error')
      }
    }
  }

  async subscribe(handler: (payload: Buffer) => void): Promise<() => Promise<void>> {
    // A function of its own, so that one handler may subscribe twice.
    const own = (payload: Buffer): void => handler(payload)
    this.#handlers.add(own)
    return async () => {
      this.#handlers.delete(own)
    }
  }

  async recall(): Promise<KeptReading[]> {
    const nowMs = this.#now()
    const oldestMs = nowMs - LIVE_KEPT_MS
    for (const [key, { arrivedAtMs }] of this.#latest) if (arrivedAtMs < oldestMs) this.#latest.delete(key)
    return Array.from(this.#latest.values(), ({ payload, arrivedAtMs }) => ({
      payload,
      ageMs: Math.max(0, nowMs - arrivedAtMs),
    }))
  }
}
