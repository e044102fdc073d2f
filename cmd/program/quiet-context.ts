import pino from 'pino'
import type { LoadedSettings } from '../../internal/config/load.ts'
import { Refusals } from '../../internal/http/doorkeeper.ts'
import { Releaser } from '../../internal/lifecycle/releaser.ts'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { Metrics } from '../../internal/observe/metrics.ts'
import { Redactor } from '../../internal/text/redactor.ts'
import { WallClock } from '../../internal/time/clock.ts'
import type { Context } from './context.ts'
import { readVersion } from './version.ts'

/** The context of a short command: its parts log nothing, because the command itself reports what happened. */
export function quietContext({ role, settings, secrets }: LoadedSettings): Context {
  const logger = pino({ level: 'silent' })
  return {
    role,
    settings,
    onReload: () => {},
    version: readVersion(),
    logger,
    redactor: new Redactor(secrets),
    throttle: new LogThrottle(logger),
    clock: new WallClock(),
    releaser: new Releaser(logger),
    refusals: new Refusals(),
    keys: () => Promise.reject(new Error('a short command has no listener')),
    metrics: new Metrics(),
    publishers: [],
    targets: [],
    tls: [],
    pipelines: [],
    readiness: [],
    droppedAtStop: [],
    summary: [],
  }
}
