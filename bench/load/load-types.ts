import type { ConnectionOptions } from 'node:tls'
import type { RedisOptions } from '../../internal/broker/redis/client.ts'
import type { Allocations, Latencies, LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import type { Counts } from './counts.ts'

export type Format = 'packed' | 'json' | 'frame'

/** What opens admin listeners beyond this machine. */
export interface ServerAccess {
  /** With the token or the key. */
  readonly headers?: Readonly<Record<string, string>>
  readonly tls?: ConnectionOptions | undefined
}

/** How the messages travel. The servers must have the same settings. */
export interface LoadBroker {
  readonly kind: 'pubsub' | 'streams'
  /** Of streams: `queue:{<topic>:<p>}`. */
  readonly topic: string
  readonly partitions: number
  /** Of streams: the fewest entries that a partition keeps. Default 250,000. */
  readonly maxLength?: number
}

export interface LoadOptions {
  readonly redis: RedisOptions
  readonly broker: LoadBroker
  readonly format: Format
  /** How many publishers to play. Each has a run id of its own where the format has one. */
  readonly workers: number
  /** Messages a second, of all workers together. Undefined: a closed loop, in which each worker waits for its reply. */
  readonly ratePerSecond: number | undefined
  readonly durationMs: number
  readonly warmupMs: number
  /** How many hosts the workers are spread over. 0: JSON messages name no host, and frames name one. */
  readonly hosts: number
  /** Of frames. A message of the other formats has one sample. */
  readonly samplesPerMessage: number
  /** Walks with two decimals, or doubles of full precision. */
  readonly values: 'walk' | 'full'
  readonly threads: number
  /**
   * Open loop: how long a thread pauses at least between two looks at the schedule, µs. What is due meanwhile is sent
   * together, for less CPU of the machine that is measured, and counts as late. Default 0.
   */
  readonly leastPauseUs?: number | undefined
  /**
   * Admin listeners of the servers whose metrics belong to the result. Empty: the result has only the values of the
   * sender and the store.
   */
  readonly servers: readonly string[]
  /** What they ask for. */
  readonly serverAccess?: ServerAccess
  /** Asks the store how many samples of the run it has. Undefined: the store is not asked. */
  readonly countStored: CountStored | undefined
  readonly onProgress: (progress: Progress) => void
  /** Called for each second of the measurement, and for the time until all of it was settled: the intervals meet. */
  readonly onLatencies?: ((interval: LatencyInterval) => void) | undefined
}

/** What opens admin listeners beyond this machine. */
export interface ServerAccess {
  /** With the token or the key. */
  readonly headers?: Readonly<Record<string, string>>
  readonly tls?: ConnectionOptions | undefined
}

/** The latencies of a part of the measurement, over all servers. */
export interface LatencyInterval {
  /** Since the beginning of the measurement. */
  readonly fromMs: number
  readonly toMs: number
  /** µs */
  readonly latency: Latencies<Counts>
}

/** Counts the samples in the store whose time is in `[startUs, endUs)`. */
export type CountStored = (
  range: { readonly startUs: number; readonly endUs: number },
  signal: AbortSignal,
) => Promise<number>

/** The progress of a run, once a second. */
export interface Progress {
  readonly step: 'warm-up' | 'measure' | 'settle' | 'count'
  /** Since the step began. */
  readonly atMs: number
  /** How long the step will take. 0: not known. */
  readonly ofMs: number
  /** Messages of the step so far. */
  readonly sent: number
  /** Messages of the last second. Undefined in a step that sends none. */
  readonly perSecond: number | undefined
  /** Samples that the servers hold, in memory and on disk. Undefined: no server is asked. */
  readonly held: number | undefined
  /** Of the last second, µs. Undefined: not measured. */
  readonly e2eP99Us: number | undefined
}

/** One second of the measurement. All counts are since the beginning of the measurement. */
export interface TimelinePoint {
  readonly atMs: number
  readonly sent: number
  readonly written: number
  /** `held`: in memory and on disk. `spooled`: the part on disk. */
  readonly held: number
  readonly spooled: number
  readonly rssBytes: number
  /** Of the last second, µs. */
  readonly p99: { readonly internal: number; readonly e2e: number; readonly durable: number }
}

/** The servers' report on the measurement, summed over all servers. */
export interface ServersResult {
  readonly latency: Latencies<Counts>
  readonly gc: Counts
  readonly cpuUs: number
  /** The largest value that was read. */
  readonly rssBytes: number
  /** Counts from the beginning to the end of the measurement; `held` and `spooled` are as of the end. */
  readonly ledger: LedgerCounts
  readonly allocations: LoadAllocations | undefined
}

/**
 * What the servers allocated in a part of the measurement, and how many samples of others they received in the same
 * time.
 */
export interface LoadAllocations extends Allocations {
  readonly samples: number
}

export interface LoadResult {
  readonly messages: number
  readonly samples: number
  /** From the first due time to the last hand-over to the socket. */
  readonly seconds: number
  /** The due times, which are also the times of the samples, are in `[startUs, endUs)`. */
  readonly startUs: number
  readonly endUs: number
  /** Whether it was stopped before its end. */
  readonly partial: boolean
  /** Messages that no server was subscribed to, and the samples in them. */
  readonly unreceived: number
  readonly unreceivedSamples: number
  /** From the due time until the message was handed to the socket, µs: the sender's own part of every latency. */
  readonly lateness: Counts
  /** From the due time until Redis' answer was read, µs. */
  readonly reply: Counts
  /** CPU of the whole sending process during the measurement. */
  readonly senderCpuUs: number
  /** From the end of sending until the servers had settled everything. */
  readonly settleMs: number
  readonly servers: ServersResult | undefined
  readonly stored: number | undefined
  /**
   * Samples known to be gone: those that no server received, and those that the servers count as rejected, dropped or
   * lost.
   */
  readonly reportedLost: number
  /** '' when samples = stored + reported lost. Otherwise a sentence that says what is wrong. */
  readonly balance: string
  /** One point for each second of the measurement. Empty without servers. */
  readonly timeline: readonly TimelinePoint[]
}
