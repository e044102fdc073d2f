import { type Counts, type DebugMetrics, merge, percentileOf, subtract } from '../../internal/observe/debug-metrics.ts'
import type { TimelinePoint } from './load-types.ts'

/** The measurement second by second, made from the metrics of the servers. */
export class Timeline {
  readonly points: TimelinePoint[] = []
  readonly #before: readonly DebugMetrics[]
  #last: readonly DebugMetrics[]

  /** @param before the servers' metrics when the measurement began */
  constructor(before: readonly DebugMetrics[]) {
    this.#before = before
    this.#last = before
  }

  /** @param sent messages since the measurement began */
  add(atMs: number, sent: number, figures: readonly DebugMetrics[]): TimelinePoint {
    const total = (of: (one: DebugMetrics) => number): number => figures.reduce((sum, one) => sum + of(one), 0)
    const before = this.#before.reduce((sum, { ledger }) => sum + ledger.written, 0)
    const p99 = (of: (latency: DebugMetrics['latency']) => Counts): number =>
      percentileOf(merge(figures.map(({ latency }, n) => subtract(of(latency), of(this.#last[n]!.latency)))), 99)
    const point = {
      atMs: Math.round(atMs),
      sent,
      written: total(({ ledger }) => ledger.written) - before,
      held: total(({ ledger }) => ledger.held),
      spooled: total(({ ledger }) => ledger.spooled),
      rssBytes: total(({ rssBytes }) => rssBytes),
      p99: {
        internal: p99(({ internal }) => internal),
        e2e: p99(({ e2e }) => e2e),
        durable: p99(({ durable }) => durable),
      },
    }
    this.#last = figures
    this.points.push(point)
    return point
  }
}
