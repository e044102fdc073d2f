import type { Logger } from 'pino'
import type { SettingKey, Settings } from '../../internal/config/settings.ts'
import type { Releaser } from '../../internal/lifecycle/releaser.ts'
import type { PipelineFigures } from '../../internal/observe/debug-figures.ts'
import type { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'
import type { Metrics } from '../../internal/observe/metrics.ts'
import type { Publisher } from '../../internal/publish/publisher.ts'
import type { PublisherLedger } from '../../internal/sample/ledger.ts'
import type { Clock } from '../../internal/time/clock.ts'

/** What the roles of one process share. */
export interface Context {
  /** Those in effect; after a reload others than before. */
  readonly settings: Settings
  /**
   * `apply` takes over those settings whenever a reload changes one of them: whoever copies from `settings` what can be swapped calls this
   * in the same breath. Who looks them up in `settings` at each use says so by leaving `apply` out. A key is a setting, or a group for
   * all of it.
   */
  readonly onReload: (keys: readonly SettingKey[], apply?: (settings: Settings) => void) => void
  readonly version: string
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly clock: Clock
  readonly releaser: Releaser
  readonly metrics: Metrics
  /** All that publish from this process. */
  readonly publishers: OpenPublisher[]
  /** What takes in samples here; one at most. */
  readonly pipelines: PipelineFigures[]
  /** Each says what keeps the process from its work; '' when nothing does. */
  readonly readiness: Array<() => string>
  /** Each gives its columns of the closing summary line. */
  readonly summary: Array<() => Record<string, number | string>>
}

export interface OpenPublisher {
  /** The role that it publishes for. */
  readonly role: string
  readonly publisher: Publisher
  readonly ledger: PublisherLedger
  /** From the making of a message to the broker's answer. */
  readonly publishLatency: LatencyRecorder
}

/** All that keeps the process from its work, in words; empty when it is ready. */
export function reasons({ readiness }: Context): string[] {
  return [...new Set(readiness.map((problem) => problem()).filter((problem) => problem !== ''))]
}
