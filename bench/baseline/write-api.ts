import { InfluxDB, setLogger, type WriteApi, type WriteOptions } from '@influxdata/influxdb-client'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { InfluxWriter } from '../../internal/store/influx/writer.ts'

/** An InfluxDB, and where in it the points go. */
export interface InfluxPlace {
  /** Without user and password in it. */
  readonly url: string
  /** '' for none. */
  readonly token: string
  /** For InfluxDB 1.x, when there is no token; '' for none. */
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
 * The client's own WriteApi with its defaults: 1,000 lines a batch, any number of concurrent requests, retries after 5
 * s and more. Two settings differ. A partial batch leaves after a second instead of a minute, so that a run does not
 * wait a minute for its last points. Bodies are compressed only where ours are, so that the comparison does not measure
 * gzip.
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
  // InfluxDB before 1.8 has only this path. The client documents this way to set it.
  if (writePath === 'v1') writeApi.path = `/write?${new URLSearchParams({ db: bucket, precision: 'ns' })}`
  return writeApi
}

/**
 * Finds out which write path the server has, and creates a missing database of InfluxDB 1.x. The client does neither.
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
