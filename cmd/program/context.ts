import type { Logger } from 'pino'
import type { KeyRing } from '../../internal/auth/key-ring.ts'
import type { Role } from '../../internal/config/role.ts'
import type { SettingKey, Settings } from '../../internal/config/settings.ts'
import type { Refusals } from '../../internal/http/doorkeeper.ts'
import type { Releaser } from '../../internal/lifecycle/releaser.ts'
import type { PipelineMetrics } from '../../internal/observe/debug-metrics.ts'
import type { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'
import type { Metrics } from '../../internal/observe/metrics.ts'
import type { Publisher } from '../../internal/publish/publisher.ts'
import type { PublisherLedger } from '../../internal/sample/ledger.ts'
import type { Target } from '../../internal/source/target.ts'
import type { TargetProblem } from '../../internal/source/target-error.ts'
import type { Redactor } from '../../internal/text/redactor.ts'
import type { Clock } from '../../internal/time/clock.ts'
import type { WatchedTls } from '../../internal/tls/watched.ts'

/** What all parts of one process share. `run` makes one, and the parts add to its lists when they open. */
export interface Context {
  readonly role: Role
  /** The settings in effect. A reload replaces them. */
  readonly settings: Settings
  /**
   * Calls `apply` when a reload changes one of the keys: a setting, or a group for all of its settings. A part that
   * copies a value out of `settings` passes `apply`. A part that reads `settings` at each use leaves it out, and
   * declares only that the keys take effect at once.
   */
  readonly onReload: (keys: readonly SettingKey[], apply?: (settings: Settings) => void) => void
  /** The version of this package. */
  readonly version: string
  readonly logger: Logger
  /** Knows the secrets of this process. Every text that others may read goes through it; the logger's lines do. */
  readonly redactor: Redactor
  /** For log lines that can repeat. */
  readonly throttle: LogThrottle
  /** The time of samples and messages. */
  readonly clock: Clock
  /** Undoes at the stop what the parts opened. */
  readonly releaser: Releaser
  /** What the listeners of this process refused because of who asked. */
  readonly refusals: Refusals
  /** The keys of this process, opened at the first call: a role whose listeners ask for none does without them. */
  readonly keys: () => Promise<KeyRing>
  /** What `/metrics` serves. */
  readonly metrics: Metrics
  /** The publishers of this process: one for each role that publishes. */
  readonly publishers: OpenPublisher[]
  /** What the sources of this process ask again and again, by the value of the label `target` in metrics. */
  readonly targets: Array<readonly [label: string, target: AskedTarget]>
  /** The files of TLS of this process, by what they are for: the value of the label `of` in metrics. */
  readonly tls: Array<readonly [of: string, files: WatchedTls]>
  /** The ledger and latencies of the pipeline of this process; empty in a process that ingests nothing. */
  readonly pipelines: PipelineMetrics[]
  /** Each function returns what keeps a part from its work, or ''. `/ready` shows them. */
  readonly readiness: Array<() => string>
  /** Each function returns how many samples its part dropped at the stop: then the exit code is 1. */
  readonly droppedAtStop: Array<() => number>
  /** Each function returns columns of the closing `summary` line. */
  readonly summary: Array<() => Record<string, number | string>>
}

/** What metrics say of a target. */
export interface AskedTarget {
  readonly target: Target
  /** Good answers without anything new. */
  readonly nothingNew: number
  /** Rows or lines that were taken. */
  readonly rows: number
  readonly failures: ReadonlyMap<TargetProblem, number>
}

export interface OpenPublisher {
  /** The role that it publishes for. */
  readonly role: string
  readonly publisher: Publisher
  readonly ledger: PublisherLedger
  /** From the encoding of a message to the broker's answer. */
  readonly publishLatency: LatencyRecorder
}

/**
 * What keeps the process from its work, each reason once and without secrets: a store may repeat what it was sent.
 * Empty when it is ready.
 */
export function reasons({ readiness, redactor }: Context): string[] {
  const problems = readiness.map((problem) => problem()).filter((problem) => problem !== '')
  return [...new Set(problems.map((problem) => redactor.hide(problem)))]
}
