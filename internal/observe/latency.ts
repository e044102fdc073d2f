import { Histogram } from './histogram.ts'

/** Microseconds. */
export interface LatencySummary {
  readonly count: number
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  readonly maxUs: number
}

/** The window of `recent` has two halves: the older one is complete, the newer one is still filling. */
const HALF_WINDOW_MS = 5_000

/**
 * One latency of the pipeline over three spans: since the start, since the last log line, and the last seconds for the
 * page. A record increments one count in one array. The three spans are updated when one of them is read.
 */
export class LatencyRecorder {
  /** How many latencies were below 0, because the clocks of two hosts disagree. They count as 0. */
  negative = 0

  readonly #fresh = new Histogram()
  readonly #total = new Histogram()
  readonly #period = new Histogram()
  #newerHalf = new Histogram()
  #olderHalf = new Histogram()
  #newerSinceMs: number
  readonly #nowMs: () => number

  /** @param nowMs a monotonic clock, ms */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
    this.#newerSinceMs = nowMs()
  }

  /** @param us an integer, µs */
  record(us: number): void {
    if (us >= 0) this.#fresh.record(us)
    else {
      this.negative++
      this.#fresh.record(0)
    }
  }

  /** All latencies since the start. The next call of this recorder changes the returned histogram. */
  total(): Histogram {
    this.#update()
    return this.#total
  }

  /** The latencies since the last call of this method. */
  takePeriod(): LatencySummary {
    this.#update()
    const summary = summarize(this.#period)
    this.#period.clear()
    return summary
  }

  /** The latencies of the last 5 to 10 s, if some method of this recorder is called at least every 5 s. */
  recent(): LatencySummary {
    this.#update()
    return summarize(this.#olderHalf, this.#newerHalf)
  }

  #update(): void {
    const halfAgeMs = this.#nowMs() - this.#newerSinceMs
    if (halfAgeMs >= HALF_WINDOW_MS) {
      const emptied = this.#olderHalf
      emptied.clear()
      this.#olderHalf = this.#newerHalf
      this.#newerHalf = emptied
      this.#newerSinceMs += halfAgeMs
    }
    this.#total.add(this.#fresh)
    this.#period.add(this.#fresh)
    this.#newerHalf.add(this.#fresh)
    this.#fresh.clear()
  }
}

/** Of one histogram, or of several together. */
export function summarize(...histograms: readonly Histogram[]): LatencySummary {
  const [p50Us = 0, p90Us = 0, p99Us = 0] = Histogram.percentilesOf(histograms, [50, 90, 99])
  const count = histograms.reduce((sum, each) => sum + each.count, 0)
  return { count, p50Us, p90Us, p99Us, maxUs: Math.max(0, ...histograms.map(({ max }) => max)) }
}

/** A line in the log of a server. Scripts parse it, so its format must not change. */
export function statsLine(name: 'INTERNAL' | 'E2E' | 'DURABLE', summary: LatencySummary): string {
  const { count, p50Us, p90Us, p99Us } = summary
  return `${name}_LATENCY_STATS count=${count} p50_us=${p50Us} p90_us=${p90Us} p99_us=${p99Us}`
}
