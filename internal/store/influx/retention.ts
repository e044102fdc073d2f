import { isId, databaseOf } from './bucket.ts'
import type { InfluxQl } from './influxql.ts'
import type { InfluxTransport } from './transport.ts'

/** As InfluxDB 1.x writes a duration: `168h0m0s`. */
const DURATION = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)(?:\.\d+)?s)?$/
const FACTORS_MS = [3_600_000, 60_000, 1000] as const

/**
 * How long a bucket keeps samples, ms; Infinity where it keeps them for ever.
 *
 * @returns undefined where the server does not say: a token that may not see the bucket, InfluxDB 3, VictoriaMetrics
 * @throws TransportError, StoreError
 */
export async function retentionOf(
  transport: InfluxTransport,
  influxQl: InfluxQl,
  bucket: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  return (await ofBucket(transport, bucket, signal)) ?? (await ofPolicy(influxQl, bucket, signal))
}

/** As 2.x tells it. */
async function ofBucket(transport: InfluxTransport, bucket: string, signal: AbortSignal): Promise<number | undefined> {
  const query = new URLSearchParams(isId(bucket) ? { id: bucket } : { name: bucket })
  const { status, body } = await transport.send({ method: 'GET', path: `/api/v2/buckets?${query}` }, signal)
  if (status !== 200) return undefined
  const [found, another] = listIn(body)
  if (found === undefined || another !== undefined || !Array.isArray(found.retentionRules)) return undefined
  const seconds: unknown = (found.retentionRules as Array<{ everySeconds?: unknown }>)[0]?.everySeconds ?? 0
  return typeof seconds !== 'number' ? undefined : seconds > 0 ? seconds * 1000 : Infinity
}

function listIn(body: string): ReadonlyArray<{ readonly retentionRules?: unknown }> {
  try {
    const { buckets }: { buckets?: unknown } = JSON.parse(body)
    return Array.isArray(buckets) ? buckets : []
  } catch {
    return []
  }
}

/** As 1.x tells it: a row is name, duration, duration of a shard group, replicas, whether it is the default. */
async function ofPolicy(influxQl: InfluxQl, bucket: string, signal: AbortSignal): Promise<number | undefined> {
  const { rp } = databaseOf(bucket)
  const found = await influxQl.select('SHOW RETENTION POLICIES', {}, signal)
  const rows = found.flatMap(({ values }) => values)
  const [, duration] =
    rows.find(([name, , , , isDefault]) => (rp === undefined ? isDefault === true : name === rp)) ?? []
  const match = DURATION.exec(String(duration ?? '-'))
  if (match === null) return undefined
  const ms = FACTORS_MS.reduce((sum, factor, i) => sum + factor * Number(match[i + 1] ?? 0), 0)
  return ms > 0 ? ms : Infinity
}
