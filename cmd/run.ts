import type { LoadedSettings } from '../internal/config/load.ts'
import { startAdmin } from '../internal/http/admin.ts'
import { Releaser } from '../internal/lifecycle/releaser.ts'
import { runUntilSignal } from '../internal/lifecycle/signals.ts'
import { WallClock } from '../internal/observe/clock.ts'
import { LogThrottle } from '../internal/observe/log-throttle.ts'
import { createLogger } from '../internal/observe/logger.ts'
import { Metrics } from '../internal/observe/metrics.ts'
import { addProcessMetrics } from '../internal/observe/process-metrics.ts'
import { type Context, reasons } from './context.ts'
import { readVersion } from './version.ts'

/**
 * The life of every long-running program: its admin listener, what `open` opens, a wait for a signal, and the stop in the order of
 * the flow with one closing line.
 *
 * @throws what kept it from starting
 */
export async function run(loaded: LoadedSettings, open: (context: Context) => Promise<void>): Promise<void> {
  const { role, settings, warnings, secrets } = loaded
  const logger = createLogger({ ...settings.log, role, secrets })
  for (const warning of warnings) logger.warn(warning)
  const releaser = new Releaser(logger)
  const context: Context = {
    settings,
    version: readVersion(),
    logger,
    throttle: new LogThrottle(logger),
    clock: new WallClock(),
    releaser,
    metrics: new Metrics(),
    publishers: [],
    readiness: [],
    summary: [],
  }
  let started = false
  context.readiness.push(() => (started ? '' : 'starting'))
  await runUntilSignal({
    logger,
    deadlineMs: settings.stop.deadlineMs,
    start: async () => {
      releaser.push('log', () => context.throttle.flush())
      releaser.push('process metrics', addProcessMetrics(context.metrics))
      const admin = await startAdmin({
        ...settings.admin,
        portSetting: '--admin-port or SENTINEL_ADMIN_PORT',
        hostSetting: '--admin-host or SENTINEL_ADMIN_HOST',
        name: role,
        version: context.version,
        logger,
        ready: () => reasons(context),
        registry: context.metrics.registry,
      })
      releaser.push('admin listener', () => admin.close())
      await open(context)
      started = true
      logger.info({ version: readVersion(), startMs: Math.round(process.uptime() * 1000) }, 'started')
    },
    stop: async (deadlineMs) => {
      context.readiness.push(() => 'stopping')
      try {
        await releaser.release(deadlineMs)
      } finally {
        logger.info(Object.assign({}, ...context.summary.map((columns) => columns())), 'summary')
      }
    },
  })
}
