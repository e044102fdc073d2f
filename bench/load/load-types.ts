import type { RedisOptions } from '../../internal/broker/redis/connection.ts'
import type { Allocations, Counts, DebugMetrics, LedgerCounts } from '../../internal/observe/debug-metrics.ts'

export type Format = 'packed' | 'json' | 'frame'

/** How the messages travel; the same as at the servers. */
export interface LoadBroker {
  readonly kind: 'pubsub' | 'streams'
  /** Of streams: `queue:{<topic>:<p>}`. */
  readonly topic: string
  readonly partitions: number
  /** Of streams: entries that a partition keeps at least. Default 250,000. */
  readonly maxLength?: number
}

export interface LoadOptions {
  readonly redis: RedisOptions
  readonly broker: LoadBroker
  readonly format: Format
  /** Publishers that are played; each has a source id of its own where the format has one. */
  readonly workers: number
  /** Messages a second, of all workers together; undefined is a closed loop, in which each worker waits for its reply. */
  readonly ratePerSecond: number | undefined
  readonly durationMs: number
  readonly warmupMs: number
  /** Hosts that the workers are shared out over; 0: JSON messages name none, frames name one. */
  readonly hosts: number
  /** Of frames; a message of the other formats is one sample. */
  readonly samplesPerMessage: number
  /** Walks with two decimals, or doubles of full precision. */
  readonly values: 'walk' | 'full'
  readonly threads: number
  /** Admin listeners of the servers, whose figures belong to the result; none: only what the sender and the store know. */
  readonly servers: readonly string[]
  /** Asks the store how many samples of the run it has; undefined: nobody asks. */
  readonly countStored: CountStored | undefined
  readonly onProgress: (progress: Progress) => void
}

/** How many samples the store has whose time is in `[startUs, endUs)`. */
export type CountStored = (
  range: { readonly startUs: number; readonly endUs: number },
  signal: AbortSignal,
) => Promise<number>

/** Where a run is, once a second. */
export interface Progress {
  readonly step: 'warm-up' | 'measure' | 'settle' | 'count'
  /** Since the step began. */
  readonly atMs: number
  /** How long the step will take; 0 where nobody knows. */
  readonly ofMs: number
  /** Messages of the step so far. */
  readonly sent: number
  /** Messages of the last second; undefined in a step that sends none. */
  readonly perSecond: number | undefined
  /** Samples in the servers' hands, in memory and on disk; undefined where no server is asked. */
  readonly held: number | undefined
  /** Of the last second, µs; undefined where it is not measured. */
  readonly e2eP99Us: number | undefined
}

/** One second of the measurement. Counts of samples are since its beginning, those of messages too. */
export interface TimelinePoint {
  readonly atMs: number
  readonly sent: number
  readonly written: number
  /** In memory and on disk, and those of them on disk. */
  readonly held: number
  readonly spooled: number
  readonly rssBytes: number
  /** Of the last second, µs. */
  readonly p99: { readonly internal: number; readonly e2e: number; readonly durable: number }
}

/** What the servers say of the measurement, summed over them. */
export interface ServersResult {
  readonly latency: DebugMetrics['latency']
  readonly gc: Counts
  readonly cpuUs: number
  /** The largest that was seen. */
  readonly rssBytes: number
  /** What came between beginning and end; `held` and `spooled` as they were at the end. */
  readonly ledger: LedgerCounts
  readonly allocations: LoadAllocations | undefined
}

/** What the servers allocated in a part of the measurement, and how many samples they received from outside in just that time. */
export interface LoadAllocations extends Allocations {
  readonly samples: number
}

export interface LoadResult {
  readonly messages: number
  readonly samples: number
  /** From the first due time to the last hand-over to the socket. */
  readonly seconds: number
  /** The due times, and with them the times of all samples, are in `[startUs, endUs)`. */
  readonly startUs: number
  readonly endUs: number
  /** Whether it was stopped before its time. */
  readonly partial: boolean
  /** Messages that nobody was subscribed to, and the samples in them. */
  readonly unreceived: number
  readonly unreceivedSamples: number
  /** From the due time until the message was handed to the socket: the sender's own part of every latency, µs. */
  readonly lateness: Counts
  /** From the due time until Redis' answer was read, µs. */
  readonly reply: Counts
  /** Of the whole sending process, while it measured. */
  readonly senderCpuUs: number
  /** From the end of sending until the servers had nothing left to do. */
  readonly settleMs: number
  readonly servers: ServersResult | undefined
  readonly stored: number | undefined
  /** Samples that are known to be lost: unreceived, or the servers' rejected, dropped and lost. */
  readonly reportedLost: number
  /** '' when samples = stored + reported lost, else what is wrong, in words. */
  readonly balance: string
  /** Once a second of the measurement; empty without servers. */
  readonly timeline: readonly TimelinePoint[]
}
