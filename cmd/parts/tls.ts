import type { ConnectionOptions } from 'node:tls'
import type { RedisOptions } from '../../internal/broker/redis/client.ts'
import { ConfigError } from '../../internal/config/error.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { pathsOf, readMaterial, TlsError, type TlsFiles, type TlsMaterial } from '../../internal/tls/material.ts'
import { keyModeProblem } from '../../internal/tls/validity.ts'
import { WatchedTls } from '../../internal/tls/watched.ts'
import type { Context } from '../program/context.ts'

/** How often it is said that a certificate ends soon. */
const REMINDER_MS = 12 * 3_600_000

/** What has files of TLS, and their settings. */
export type TlsUse = 'admin' | 'api' | 'queue' | 'redis' | 'influx' | 'gateway'

/** The files that the settings name; none of their paths is set where they name none. */
export function tlsFilesOf(settings: Settings, use: TlsUse): TlsFiles {
  switch (use) {
    case 'redis':
    case 'influx': {
      const { caFile, certFile, keyFile } = settings[use]
      return { caFile, certFile, keyFile }
    }
    case 'gateway': {
      const { httpCaFile, httpCertFile, httpKeyFile } = settings.broker
      return { caFile: httpCaFile, certFile: httpCertFile, keyFile: httpKeyFile }
    }
    default: {
      const { tlsCert, tlsKey, tlsClientCa } = settings[use]
      return { certFile: tlsCert, keyFile: tlsKey, caFile: tlsClientCa }
    }
  }
}

/** @returns undefined where the listener speaks no TLS @throws ConfigError where its files cannot be used */
export async function openListenerTls(
  context: Context,
  use: 'admin' | 'api' | 'queue',
): Promise<WatchedTls | undefined> {
  return openTls(context, use)
}

type ClientUse = 'redis' | 'influx' | 'gateway'

/**
 * What a client needs for its connections beside the URL, renewed in place when its files change.
 *
 * @param onChange is called after that
 */
export async function openClientTls(
  context: Context,
  use: ClientUse,
  onChange: () => void = () => {},
): Promise<ConnectionOptions | undefined> {
  const watched = await openTls(context, use)
  const options = optionsOf(context.settings, use, watched?.material)
  watched?.onChange((material) => {
    Object.assign(options!, material)
    onChange()
  })
  return options
}

/** The same for a command that ends soon. @throws ConfigError */
export async function readClientTls(settings: Settings, use: ClientUse): Promise<ConnectionOptions | undefined> {
  const files = tlsFilesOf(settings, use)
  const material = pathsOf(files).length === 0 ? undefined : await readMaterial(files).catch(inSettings(use))
  return optionsOf(settings, use, material)
}

function optionsOf(settings: Settings, use: ClientUse, material?: TlsMaterial): ConnectionOptions | undefined {
  const serverName = use === 'gateway' ? undefined : settings[use].serverName
  if (serverName === undefined && material === undefined) return undefined
  return { ...(serverName === undefined ? {} : { servername: serverName }), ...material }
}

const inSettings =
  (use: TlsUse) =>
  (error: unknown): never => {
    throw error instanceof TlsError ? new ConfigError([`TLS for ${use}: ${error.message}`]) : error
  }

/** Where Redis is, and how to get in. @throws ConfigError where the files of its settings cannot be used */
export async function redisOf(context: Context): Promise<RedisOptions> {
  const { url = '', password } = context.settings.redis
  const tls = url.toLowerCase().startsWith('rediss:') ? await openClientTls(context, 'redis') : undefined
  return { url, password, tls }
}

/** One set of files is watched once, however many parts use it. */
async function openTls(context: Context, use: TlsUse): Promise<WatchedTls | undefined> {
  const files = tlsFilesOf(context.settings, use)
  if (pathsOf(files).length === 0) return undefined
  const known = context.tls.find(([of]) => of === use)?.[1]
  if (known !== undefined) return known
  const { logger, throttle, releaser } = context
  const watched = await WatchedTls.open({
    files,
    onRefused: (problem) =>
      logger.error(`the new files of TLS for ${use} are not taken, the old ones stay: ${problem}`),
    onTaken: () =>
      logger.info({ certificate: watched.validity(Date.now())?.text }, `new files of TLS for ${use} are in use`),
  }).catch(inSettings(use))
  context.tls.push([use, watched])
  const mode = await keyModeProblem(files)
  if (mode !== '') logger.warn(mode)
  const remind = (): void => {
    const problem = watched.validity(Date.now())?.problem ?? ''
    if (problem !== '') throttle.warn(`tls ${use}`, {}, `TLS for ${use}: ${problem}`)
  }
  remind()
  const reminder = setInterval(remind, REMINDER_MS).unref()
  releaser.push(`tls ${use}`, () => {
    clearInterval(reminder)
    watched.close()
  })
  return watched
}

export function addTlsMetrics({ metrics, tls }: Context): void {
  metrics.gauge({
    name: 'sentinel_tls_certificate_days',
    help: 'Days until a certificate of this process ends; below 0 once it has ended.',
    label: 'of',
    read: () =>
      tls.flatMap(([use, files]) => {
        const validity = files.validity(Date.now())
        return validity === undefined ? [] : [[use, validity.daysLeft] as const]
      }),
  })
  metrics.counter({
    name: 'sentinel_tls_reloads_total',
    help: 'New files of TLS that were taken.',
    label: 'of',
    read: () => tls.map(([use, { stats }]) => [use, stats.reloads] as const),
  })
  metrics.counter({
    name: 'sentinel_tls_refused_reloads_total',
    help: 'New files of TLS that cannot be used; the old ones stay in use.',
    label: 'of',
    read: () => tls.map(([use, { stats }]) => [use, stats.refused] as const),
  })
}
