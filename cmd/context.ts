import type { Logger } from 'pino'
import type { Settings } from '../internal/config/settings.ts'
import type { Releaser } from '../internal/lifecycle/releaser.ts'
import type { Clock } from '../internal/observe/clock.ts'
import type { LogThrottle } from '../internal/observe/log-throttle.ts'
import type { Metrics } from '../internal/observe/metrics.ts'

/** What the roles of one process share. */
export interface Context {
  readonly settings: Settings
  readonly version: string
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly clock: Clock
  readonly releaser: Releaser
  readonly metrics: Metrics
  /** Each says what keeps the process from its work; '' when nothing does. */
  readonly readiness: Array<() => string>
  /** Each gives its columns of the closing summary line. */
  readonly summary: Array<() => Record<string, number | string>>
}

/** All that keeps the process from its work, in words; empty when it is ready. */
export function reasons({ readiness }: Context): string[] {
  return [...new Set(readiness.map((problem) => problem()).filter((problem) => problem !== ''))]
}
