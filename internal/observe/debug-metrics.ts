import type { Histogram } from './histogram.ts'
import type { LatencyRecorder } from './latency.ts'
import { processCpuUs } from './process.ts'

/** A histogram as JSON. */
export interface EncodedHistogram {
  readonly count: number
  readonly sum: number
  /** Exact. The histogram knows it to one part in a thousand. */
  readonly max: number
  /** HdrHistogram's V2 encoding with three significant digits, in base64. */
  readonly hdr: string
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
  readonly latency: Latencies<EncodedHistogram>
  /** Pauses for garbage collection, µs. */
  readonly gc: EncodedHistogram
}

/** One of something for each of the three latencies. */
export interface Latencies<T> {
  readonly internal: T
  readonly e2e: T
  readonly durable: T
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
  readonly latency: Latencies<LatencyRecorder>
}

/** What the answer is made from. */
export interface DebugSources {
  /** Undefined while no pipeline is open. */
  pipeline(): PipelineMetrics | undefined
  readonly gcPauses: LatencyRecorder
}

export function readDebugMetrics(pipeline: PipelineMetrics, gcPauses: LatencyRecorder): DebugMetrics {
  const { internal, e2e, durable } = pipeline.latency
  return {
    cpuUs: processCpuUs(),
    rssBytes: process.memoryUsage.rss(),
    ledger: pipeline.ledger(),
    latency: { internal: encoded(internal.total()), e2e: encoded(e2e.total()), durable: encoded(durable.total()) },
    gc: encoded(gcPauses.total()),
  }
}

function encoded(histogram: Histogram): EncodedHistogram {
  const { count, sum, max } = histogram
  return { count, sum, max, hdr: histogram.encode().toString('base64') }
}
