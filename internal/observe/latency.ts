import { Histogram } from './histogram.ts'

/** Microseconds. */
export interface LatencySummary {
  readonly count: number
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  readonly maxUs: number
}

/** The window of `recent` is two of these, the older one whole and the newer one as far as it goes. */
const HALF_WINDOW_MS = 5_000

/**
 * One latency of the pipeline, seen three ways: since the start, since the last log line, and of the last seconds for the page. A
 * record is one count in one array; the three are brought up to date when somebody asks.
 */
export class LatencyRecorder {
  /** Latencies below 0, counted as 0: the clocks of two hosts disagree. */
  negative = 0

  readonly #fresh = new Histogram()
  readonly #total = new Histogram()
  readonly #period = new Histogram()
  readonly #recent = new Histogram()
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

  /** All since the start. Read it before the next call of this recorder: it goes on counting. */
  total(): Histogram {
    this.#bringUpToDate()
    return this.#total
  }

  /** Since the last call of this method. */
  takePeriod(): LatencySummary {
    this.#bringUpToDate()
    const summary = summarize(this.#period)
    this.#period.clear()
    return summary
  }

  /** Of the last 5 to 10 s, provided that something of this recorder is asked for at least every 5 s. */
  recent(): LatencySummary {
    this.#bringUpToDate()
    this.#recent.clear()
    this.#recent.add(this.#olderHalf)
    this.#recent.add(this.#newerHalf)
    return summarize(this.#recent)
  }

  #bringUpToDate(): void {
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

export function summarize(histogram: Histogram): LatencySummary {
  return {
    count: histogram.count,
    p50Us: histogram.percentile(50),
    p90Us: histogram.percentile(90),
    p99Us: histogram.percentile(99),
    maxUs: histogram.max,
  }
}

/** The line that scripts look for in the log of a server, word for word. */
export function statsLine(name: 'INTERNAL' | 'E2E' | 'DURABLE', summary: LatencySummary): string {
  const { count, p50Us, p90Us, p99Us } = summary
  return `${name}_LATENCY_STATS count=${count} p50_us=${p50Us} p90_us=${p90Us} p99_us=${p99Us}`
}
