import { type Histogram, rankOf } from './histogram.ts'
import type { LatencyRecorder } from './latency.ts'
import { processCpuUs } from './process.ts'

/**
 * A histogram as JSON. A bucket is the largest value that falls into it and its count; empty buckets are left out.
 * Ascending.
 */
export interface Counts {
  readonly count: number
  readonly sum: number
  readonly max: number
  readonly buckets: ReadonlyArray<readonly [value: number, count: number]>
}

/** The ledger of a server, in samples, except `messages`, `duplicates` and `trimmed`, which count messages. */
export interface LedgerCounts {
  readonly messages: number
  readonly received: number
  /** The part of `received` that the server made itself. */
  readonly own: number
  /** The part of `dropped` that the server made itself. */
  readonly ownDropped: number
  /** Found in the spool at the start. */
  readonly takenOver: number
  readonly written: number
  readonly rejected: number
  readonly dropped: number
  /** In memory and on disk. */
  readonly held: number
  /** The part of `held` that is on disk. */
  readonly spooled: number
  readonly lost: number
  readonly duplicates: number
  /**
   * Trimmed by Redis before any server had read them. If the messages have numbers, their samples count in `lost` too.
   */
  readonly trimmed: number
}

/**
 * The answer of `/debug/figures`. Everything counts since the start of the process: for an interval, ask twice and
 * subtract.
 */
export interface DebugMetrics {
  /** CPU time of the process and of its ended children. */
  readonly cpuUs: number
  readonly rssBytes: number
  readonly ledger: LedgerCounts
  /** µs */
  readonly latency: { readonly internal: Counts; readonly e2e: Counts; readonly durable: Counts }
  /** Pauses for garbage collection, µs. */
  readonly gc: Counts
}

/** What the process allocated during a measurement. */
export interface Allocations {
  readonly seconds: number
  /** On the JavaScript heap. */
  readonly heapBytes: number
  /** Outside of the heap, mostly for Buffers. */
  readonly externalBytes: number
  readonly collections: number
  readonly pauseUs: number
}

/** What a pipeline reports. */
export interface PipelineMetrics {
  ledger(): LedgerCounts
  readonly latency: {
    readonly internal: LatencyRecorder
    readonly e2e: LatencyRecorder
    readonly durable: LatencyRecorder
  }
}

/** What the answer is made from. */
export interface DebugSources {
  /** Undefined while no pipeline is open. */
  pipeline(): PipelineMetrics | undefined
  readonly gcPauses: LatencyRecorder
}

/**
 * @param digits significant digits of latencies and pauses. With 3 there are 15,000 buckets after a while, which cost 4
 * ms
 */
export function readDebugMetrics(
  pipeline: PipelineMetrics,
  gcPauses: LatencyRecorder,
  digits: 2 | 3 = 3,
): DebugMetrics {
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

/** The sum of the counts of several servers or threads. */
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
 * What was counted between two readings of one histogram. Exact except for `max`, which is known by its bucket only and
 * can be too high by one part in a thousand.
 *
 * @throws Error when the later reading has less than the earlier one, because the process was restarted
 */
export function subtract(later: Counts, earlier: Counts): Counts {
  const left = new Map(later.buckets)
  for (const [value, count] of earlier.buckets) {
    const rest = (left.get(value) ?? 0) - count
    if (rest < 0) throw new Error('the later counts are smaller than the earlier ones: the process was restarted')
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

/**
 * The same as `Histogram.percentile`: the value that `percentile` percent of all values are at or below; 0 when there
 * are none.
 */
export function percentileOf(counts: Counts, percentile: number): number {
  const rank = rankOf(percentile, counts.count)
  let seen = 0
  for (const [value, count] of counts.buckets) {
    seen += count
    if (seen >= rank) return Math.min(value, counts.max)
  }
  return 0
}
