import { InfluxDB, setLogger, type WriteApi, type WriteOptions } from '@influxdata/influxdb-client'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { InfluxWriter } from '../../internal/store/influx/writer.ts'

/** InfluxDB, and what is written there. */
export interface InfluxPlace {
  /** Without user and password in it. */
  readonly url: string
  /** '' for none. */
  readonly token: string
  /** Of InfluxDB 1.x, '' for none; used where there is no token. */
  readonly username: string
  readonly password: string
  readonly org: string
  /** The bucket; on InfluxDB 1.x the database. */
  readonly bucket: string
  /** `v1` is `/write?db=`, `v2` is `/api/v2/write`: see `findWritePath`. */
  readonly writePath: 'v1' | 'v2'
  readonly gzip: boolean
  readonly timeoutMs: number
}

/**
 * The client's own WriteApi with its own defaults (1,000 lines a batch, any number of requests side by side, retries after 5 s and
 * more), but for two: a batch that is not full leaves after a second and not after a minute, or the last points of a run would be
 * waited for that long; and bodies are compressed only where ours are, so that gzip is not what is compared.
 */
export function openWriteApi(
  place: InfluxPlace,
  throttle: LogThrottle,
  handlers: Pick<WriteOptions, 'writeSuccess' | 'writeFailed' | 'writeRetrySkipped'>,
): WriteApi {
  const { url, token, org, bucket, writePath, gzip, timeoutMs } = place
  setLogger({
    warn: (message, err) => throttle.warn('client', { err }, message),
    error: (message, err) => throttle.error('client', { err }, message),
  })
  const client = new InfluxDB({ url, token, timeout: timeoutMs, headers: basicAuthorization(place) })
  const writeApi = client.getWriteApi(org, bucket, 'ns', {
    ...handlers,
    flushInterval: 1000,
    ...(gzip ? {} : { gzipThreshold: Number.POSITIVE_INFINITY }),
  })
  // The client's documented way to another path: InfluxDB before 1.8 has only this one.
  if (writePath === 'v1') writeApi.path = `/write?${new URLSearchParams({ db: bucket, precision: 'ns' })}`
  return writeApi
}

/**
 * What the client does not do: finds out which path the server has, and makes the database of InfluxDB 1.x where it is missing.
 *
 * @throws Error that says in words what is wrong with the server or the settings
 */
export async function findWritePath(place: Omit<InfluxPlace, 'writePath'>): Promise<'v1' | 'v2'> {
  const { url, token, username, password, org, bucket, timeoutMs } = place
  const transport = new InfluxTransport({ url, token: () => token, username, password, answerTimeoutMs: timeoutMs })
  const writer = new InfluxWriter({ transport, org, bucket })
  const signal = AbortSignal.timeout(2 * timeoutMs)
  try {
    const problem = await writer.check(signal)
    if (problem !== '') throw new Error(problem)
    const { headers } = await transport.send({ method: 'GET', path: '/ping' }, signal)
    return /^v?1\./.test(String(headers['x-influxdb-version'])) ? 'v1' : 'v2'
  } finally {
    await writer.close()
  }
}

function basicAuthorization({ token, username, password }: InfluxPlace): Record<string, string> {
  if (token !== '' || username === '') return {}
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}
