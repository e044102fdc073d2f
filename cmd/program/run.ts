import type { Logger } from 'pino'
import { SCOPES } from '../../internal/auth/identity.ts'
import type { KeyRing } from '../../internal/auth/key-ring.ts'
import { isLoopbackHost } from '../../internal/auth/loopback.ts'
import { ConfigError } from '../../internal/config/error.ts'
import type { LoadedSettings } from '../../internal/config/load.ts'
import { LiveSettings } from '../../internal/config/reload.ts'
import { startAdmin } from '../../internal/http/admin.ts'
import { Refusals } from '../../internal/http/doorkeeper.ts'
import type { Guard } from '../../internal/http/guard.ts'
import { Releaser } from '../../internal/lifecycle/releaser.ts'
import { runUntilSignal } from '../../internal/lifecycle/signals.ts'
import { onIllegalTransition } from '../../internal/lifecycle/transition.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { createLogger } from '../../internal/observe/logger.ts'
import { Metrics } from '../../internal/observe/metrics.ts'
import { addProcessMetrics } from '../../internal/observe/process-metrics.ts'
import { Redactor } from '../../internal/text/redactor.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { addTlsMetrics, openListenerTls } from '../parts/tls.ts'
import { type Context, reasons } from './context.ts'
import { readVersion } from './version.ts'

/**
 * Runs a long-running program: opens the admin listener and then its parts, waits for a signal, stops the parts in the
 * order in which samples flow, and logs a closing `summary` line.
 *
 * @param load reads the settings, once now and again at each reload
 * @throws the error that kept the program from starting
 */
export async function run(load: () => LoadedSettings, open: (context: Context) => Promise<void>): Promise<void> {
  const loaded = load()
  const { role, warnings } = loaded
  const live = new LiveSettings(loaded, load)
  const redactor = new Redactor(loaded.secrets)
  const logger = createLogger({ ...loaded.settings.log, role: role.name, redactor })
  for (const warning of warnings) logger.warn(warning)
  const releaser = new Releaser(logger)
  let keys: Promise<KeyRing> | undefined
  const context: Context = {
    role,
    get settings() {
      return live.settings
    },
    onReload: (keys, apply) => live.onReload(keys, apply),
    version: readVersion(),
    logger,
    redactor,
    throttle: new LogThrottle(logger),
    clock: new WallClock(),
    releaser,
    refusals: new Refusals(),
    keys: () => {
      keys ??= import('../parts/keys.ts').then(({ openKeys }) => openKeys(context))
      return keys
    },
    metrics: new Metrics(),
    publishers: [],
    targets: [],
    tls: [],
    pipelines: [],
    readiness: [],
    droppedAtStop: [],
    summary: [],
  }
  onIllegalTransition((err) => context.throttle.error(err.message, { err }, 'a bug: the state stays as it was'))
  context.readiness.push(() => (live.allOpen ? '' : 'starting'))
  context.onReload(['log.level'], ({ log }) => {
    logger.level = log.level
  })
  context.onReload(['stop.deadlineMs', 'admin.hosts'])
  // Asked at each use, in a role whose listeners ask for keys.
  context.onReload(['auth.key', 'auth.keyFile', 'auth.serviceToken', 'auth.serviceTokenFile', 'auth.public'])
  context.metrics.counter({
    name: 'sentinel_http_refused_total',
    help: 'Requests and connections refused because of who asked, on all listeners.',
    label: 'reason',
    read: () => Object.entries(context.refusals),
  })
  addTlsMetrics(context)
  await runUntilSignal({
    logger,
    get deadlineMs() {
      return live.settings.stop.deadlineMs
    },
    reload: () => reload(live, logger, redactor),
    start: async () => {
      releaser.push('log', () => context.throttle.flush())
      const gcPauses = new LatencyRecorder()
      releaser.push('process metrics', addProcessMetrics(context.metrics, gcPauses))
      const tls = await openListenerTls(context, 'admin')
      const guard = await adminGuard(context)
      const admin = await startAdmin({
        ...{ tls },
        ...loaded.settings.admin,
        portSetting: '--admin-port or SENTINEL_ADMIN_PORT',
        hostSetting: '--admin-host or SENTINEL_ADMIN_HOST',
        name: role.name,
        version: context.version,
        logger,
        faults: context.throttle,
        hosts: () => live.settings.admin.hosts,
        refusals: context.refusals,
        guard,
        ready: () => reasons(context),
        registry: context.metrics.registry,
        figures: { pipeline: () => context.pipelines[0], gcPauses },
      })
      releaser.push('admin listener', () => admin.close())
      await open(context)
      live.allOpen = true
      logger.info({ version: readVersion(), startMs: Math.round(process.uptime() * 1000) }, 'started')
    },
    stop: async (deadlineMs) => {
      context.readiness.push(() => 'stopping')
      try {
        await releaser.release(deadlineMs)
      } finally {
        logger.info(Object.assign({}, ...context.summary.map((columns) => columns())), 'summary')
        const dropped = context.droppedAtStop.reduce((sum, count) => sum + count(), 0)
        if (dropped > 0) {
          logger.error({ dropped }, 'the stop dropped samples that neither its receiver nor the disk took: exit code 1')
          process.exitCode = 1
        }
      }
    },
  }).catch((error: unknown) => {
    throw redactor.hideIn(error)
  })
}

/** What guards the admin listener. Where only this machine reaches it, keys are read once a proxy asks for another one. */
async function adminGuard(context: Context): Promise<() => Promise<Guard>> {
  let guard: Promise<Guard> | undefined
  const open = async (): Promise<Guard> => {
    const { guardOf } = await import('../parts/keys.ts')
    return guardOf(context, await context.keys(), { serviceScopes: SCOPES, tokenLocks: true })
  }
  const opened = (): Promise<Guard> => {
    guard ??= open().catch((error: unknown) => {
      guard = undefined
      throw error
    })
    return guard
  }
  if (!isLoopbackHost(context.settings.admin.host)) await opened()
  return opened
}

/** Reloads the settings and logs the result. A failed reload leaves the process and its settings as they are. */
function reload(live: LiveSettings, logger: Logger, redactor: Redactor): void {
  try {
    const { changed, atNextStart, warnings, failures, ...loaded } = live.reload()
    redactor.add(loaded.secrets)
    for (const warning of warnings) logger.warn(warning)
    for (const { keys, error } of failures) logger.error({ err: error }, `not applied: ${keys.join(', ')}`)
    if (atNextStart.length > 0) logger.warn(`changed but takes effect at the next start: ${atNextStart.join(', ')}`)
    const hasChanged = Object.keys(changed).length > 0
    logger.info({ changed }, hasChanged ? 'settings reloaded' : 'settings reloaded: no change to apply')
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [String(error)]
    logger.error(`not reloaded, the settings stay as they were: ${problems.join('; ')}`)
  }
}
