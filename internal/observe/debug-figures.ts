import { type Histogram, rankOf } from './histogram.ts'
import type { LatencyRecorder } from './latency.ts'
import { processCpuUs } from './process.ts'

/** A histogram as JSON: each bucket that is not empty as the largest value that falls into it, and how many have, ascending. */
export interface Counts {
  readonly count: number
  readonly sum: number
  readonly max: number
  readonly buckets: ReadonlyArray<readonly [value: number, count: number]>
}

/** Where the samples of a server are; but for `messages`, `duplicates` and `trimmed`, which are messages, all are samples. */
export interface LedgerFigures {
  readonly messages: number
  readonly received: number
  /** Those of `received` that the server made itself. */
  readonly own: number
  /** Those of `dropped` that the server made itself. */
  readonly ownDropped: number
  /** Found in the spool at the start. */
  readonly takenOver: number
  readonly written: number
  readonly rejected: number
  readonly dropped: number
  /** In memory. */
  readonly held: number
  /** On disk. */
  readonly spooled: number
  readonly lost: number
  readonly duplicates: number
  /** Trimmed away by Redis before any server had read them. Where messages have numbers, their samples are in `lost` too. */
  readonly trimmed: number
}

/** All since the start of the process: who wants an interval asks twice and subtracts. */
export interface Figures {
  /** Of the process, and of its children that have ended. */
  readonly cpuUs: number
  readonly rssBytes: number
  readonly ledger: LedgerFigures
  /** µs */
  readonly latency: { readonly internal: Counts; readonly e2e: Counts; readonly durable: Counts }
  /** Pauses for garbage collection, µs. */
  readonly gc: Counts
}

/** What the process allocated while somebody waited for it. */
export interface Allocations {
  readonly seconds: number
  /** On the JavaScript heap. */
  readonly heapBytes: number
  /** Outside of it, for Buffers above all. */
  readonly externalBytes: number
  readonly collections: number
  readonly pauseUs: number
}

/** Where the figures of a pipeline are read. */
export interface PipelineFigures {
  ledger(): LedgerFigures
  readonly latency: {
    readonly internal: LatencyRecorder
    readonly e2e: LatencyRecorder
    readonly durable: LatencyRecorder
  }
}

/** Where the figures of a process are read. */
export interface FigureSources {
  /** Undefined while none is open. */
  pipeline(): PipelineFigures | undefined
  readonly gcPauses: LatencyRecorder
}

/** @param digits significant ones of latencies and pauses. With 3 they are 15,000 buckets after a while, and 4 ms of work */
export function readFigures(pipeline: PipelineFigures, gcPauses: LatencyRecorder, digits: 2 | 3 = 3): Figures {
  const { internal, e2e, durable } = pipeline.latency
  const counts = (recorder: LatencyRecorder): Counts => countsOf(recorder.total(), digits)
  return {
    cpuUs: processCpuUs(),
    rssBytes: process.memoryUsage.rss(),
    ledger: pipeline.ledger(),
    latency: { internal: counts(internal), e2e: counts(e2e), durable: counts(durable) },
    gc: counts(gcPauses),
  }
}

export function countsOf(histogram: Histogram, digits: 2 | 3 = 3): Counts {
  return { count: histogram.count, sum: histogram.sum, max: histogram.max, buckets: [...histogram.buckets(digits)] }
}

/** All that several servers or threads have counted. */
export function merge(all: readonly Counts[]): Counts {
  const buckets = new Map<number, number>()
  for (const counts of all) {
    for (const [value, count] of counts.buckets) buckets.set(value, (buckets.get(value) ?? 0) + count)
  }
  return {
    count: all.reduce((sum, { count }) => sum + count, 0),
    sum: all.reduce((sum, counts) => sum + counts.sum, 0),
    max: all.reduce((most, { max }) => Math.max(most, max), 0),
    buckets: [...buckets].sort(([a], [b]) => a - b),
  }
}

/**
 * What was counted between two readings of one histogram. Exact, but for the largest value: it is known by its bucket only, so it can be
 * too high by one part in a thousand.
 *
 * @throws Error when the later reading lacks what the earlier one has: another process gave it
 */
export function subtract(later: Counts, earlier: Counts): Counts {
  const left = new Map(later.buckets)
  for (const [value, count] of earlier.buckets) {
    const rest = (left.get(value) ?? 0) - count
    if (rest < 0) throw new Error('the later counts lack what the earlier ones have: the process was started again')
    if (rest === 0) left.delete(value)
    else left.set(value, rest)
  }
  const buckets = [...left]
  return {
    count: later.count - earlier.count,
    sum: later.sum - earlier.sum,
    max: Math.min(buckets.at(-1)?.[0] ?? 0, later.max),
    buckets,
  }
}

/** As `Histogram.percentile` gives it: the value that `percentile` percent of all are at or below; 0 of nothing. */
export function percentileOf(counts: Counts, percentile: number): number {
  const rank = rankOf(percentile, counts.count)
  let seen = 0
  for (const [value, count] of counts.buckets) {
    seen += count
    if (seen >= rank) return Math.min(value, counts.max)
  }
  return 0
}
