import { percentileOf } from './hdr.ts'
import type { LatencyInterval, TimelinePoint } from './load-types.ts'
import { latencyBetween, type ServerFigures } from './servers.ts'

/** The measurement second by second, made from the metrics of the servers. */
export class Timeline {
  readonly points: TimelinePoint[] = []
  readonly #writtenBefore: number
  readonly #onLatencies: ((interval: LatencyInterval) => void) | undefined
  #last: { readonly atMs: number; readonly figures: readonly ServerFigures[] }

  /**
   * @param before the servers' metrics when the measurement began
   * @param onLatencies called with the latencies of each interval
   */
  constructor(before: readonly ServerFigures[], onLatencies?: (interval: LatencyInterval) => void) {
    this.#writtenBefore = before.reduce((sum, { ledger }) => sum + ledger.written, 0)
    this.#onLatencies = onLatencies
    this.#last = { atMs: 0, figures: before }
  }

  /** @param sent messages since the measurement began */
  add(atMs: number, sent: number, figures: readonly ServerFigures[]): TimelinePoint {
    const total = (of: (one: ServerFigures) => number): number => figures.reduce((sum, one) => sum + of(one), 0)
    const { internal, e2e, durable } = this.#advance(atMs, figures)
    const point = {
      atMs: Math.round(atMs),
      sent,
      written: total(({ ledger }) => ledger.written) - this.#writtenBefore,
      held: total(({ ledger }) => ledger.held),
      spooled: total(({ ledger }) => ledger.spooled),
      rssBytes: total(({ rssBytes }) => rssBytes),
      p99: { internal: percentileOf(internal, 99), e2e: percentileOf(e2e, 99), durable: percentileOf(durable, 99) },
    }
    this.points.push(point)
    return point
  }

  /** All is settled: the latencies since the last point are the last interval. */
  end(atMs: number, figures: readonly ServerFigures[]): void {
    this.#advance(atMs, figures)
  }

  #advance(toMs: number, figures: readonly ServerFigures[]): LatencyInterval['latency'] {
    const latency = latencyBetween(figures, this.#last.figures)
    this.#onLatencies?.({ fromMs: this.#last.atMs, toMs, latency })
    this.#last = { atMs: toMs, figures }
    return latency
  }
}
