import { OWN_MEASUREMENT } from '../sample/of-programs.ts'
import type { LiveSeries } from './live-series.ts'

/** A series is stale after so many of its intervals without an arrival. */
const MISSED_INTERVALS = 3
/** The field in which an agent announces its interval, in its own metrics. */
const INTERVAL_FIELD = 'interval_ms'

/**
 * Says which series are stale: nothing of them arrived for `staleAfterMs`, or for three intervals of their source where
 * that is longer. An agent announces its interval. That of any other source follows from its arrivals.
 */
export class Freshness {
  readonly #staleAfterMs: () => number
  readonly #announcedMs = new Map<string, number>()

  constructor(staleAfterMs: () => number) {
    this.#staleAfterMs = staleAfterMs
  }

  /** @param nowMs monotonic time */
  isStale(live: LiveSeries, nowMs: number): boolean {
    const silentMs = nowMs - live.arrivedMs
    // Intervals are looked up for few series only: a sweep asks for all of them once a second.
    return silentMs > this.#staleAfterMs() && silentMs > MISSED_INTERVALS * this.#intervalMs(live)
  }

  /** Takes the interval that a reading announces, if it does. */
  learn({ host, series }: LiveSeries): void {
    if (host === undefined || series.measurement !== OWN_MEASUREMENT || series.tag('role') !== 'agent') return
    const intervalMs = Number(series.latest(series.indexOf(INTERVAL_FIELD)))
    if (intervalMs > 0) this.#announcedMs.set(host, intervalMs)
  }

  /** Forgets what an evicted series announced. */
  forget({ host, series }: LiveSeries): void {
    if (host !== undefined && series.measurement === OWN_MEASUREMENT) this.#announcedMs.delete(host)
  }

  #intervalMs(live: LiveSeries): number {
    const announcedMs = live.host === undefined ? 0 : (this.#announcedMs.get(live.host) ?? 0)
    return Math.max(announcedMs, live.intervalMs)
  }
}
