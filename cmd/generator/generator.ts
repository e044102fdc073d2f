import { randomInt } from 'node:crypto'
import type { Settings } from '../../internal/config/settings.ts'
import { DcgmProfile } from '../../internal/generator/dcgm.ts'
import { FabricProfile } from '../../internal/generator/fabric.ts'
import type { Profile } from '../../internal/generator/profile.ts'
import { Push } from '../../internal/generator/push.ts'
import { buildGenerator } from '../../internal/generator/server.ts'
import { Snapshots } from '../../internal/generator/snapshots.ts'
import { SwitchProfile } from '../../internal/generator/switch.ts'
import { UfmProfile } from '../../internal/generator/ufm.ts'
import { listen, urlOf } from '../../internal/http/listen.ts'
import type { Context } from '../program/context.ts'
import { addPushMetrics, addSnapshotMetrics } from './metrics.ts'

type Generated = Settings['generator']

/** From a seed that is not 0. */
const PROFILES = {
  switch: (options: Generated) => new SwitchProfile(options),
  fabric: (options: Generated) => new FabricProfile(options),
  ufm: (options: Generated) => new UfmProfile(options),
  dcgm: (options: Generated) => new DcgmProfile({ ...options, generation: 'to48' }),
  'dcgm-4.9': (options: Generated) => new DcgmProfile({ ...options, generation: 'from49' }),
} satisfies Record<Generated['profile'], (options: Generated) => Profile>

/** Runs values → snapshot → HTTP, and to an intake where one is set. @returns the URL of the counters */
export async function openGenerator(context: Context): Promise<string> {
  const { settings, onReload, logger, throttle, clock, releaser, refusals } = context
  const { host, port, profile: name, intervalMs, mode } = settings.generator
  const seed = settings.generator.seed === 0 ? randomInt(1, 2 ** 32) : settings.generator.seed
  const profile: Profile = PROFILES[name]({ ...settings.generator, seed })
  const push = openPush(context)
  const snapshots = new Snapshots({
    ...{ profile, intervalMs, clock },
    onSnapshot: (snapshot) => push?.offer(snapshot),
    onError: (err) => throttle.error('snapshot', { err }, 'no snapshot could be made: the one before stays'),
  })
  releaser.push('snapshots', () => snapshots.stop())
  await snapshots.start()

  const { app, stats, close } = buildGenerator({
    ...{ profile, logger, refusals, listensOn: host },
    snapshot: () => snapshots.current,
    mode: () => context.settings.generator.mode,
    repeat: () => context.settings.generator.repeat,
    hosts: () => context.settings.generator.hosts,
  })
  onReload(['generator.mode', 'generator.repeat', 'generator.hosts'])
  addSnapshotMetrics(context, profile, snapshots, stats)
  releaser.push('http', close)
  await app.ready()
  const address = await listen(app.server, {
    ...{ host, port },
    portSetting: '--generator-port or SENTINEL_GENERATOR_PORT',
    hostSetting: '--generator-host or SENTINEL_GENERATOR_HOST',
  })
  const url = `${urlOf(address)}${profile.path ?? '/counters'}`
  logger.info({ url, profile: name, rows: profile.rows, seed, intervalMs }, 'generator answers')
  if (mode !== 'NONE') logger.warn({ mode }, 'each answer has this fault, unless a request asks for another')
  return url
}

function openPush(context: Context): Push | undefined {
  const { settings, throttle, releaser, readiness } = context
  if (settings.generator.push === undefined) return undefined
  const push = new Push({
    ...{ url: new URL(settings.generator.push), serviceToken: () => context.settings.auth.serviceToken, throttle },
  })
  releaser.push('push', () => push.close())
  readiness.push(() => push.problem)
  addPushMetrics(context, push)
  return push
}
