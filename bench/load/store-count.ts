import { MEASUREMENT } from '../../internal/codec/system-stats.ts'
import { bucketName, databaseOf } from '../../internal/store/influx/bucket.ts'
import type { InfluxAnswer } from '../../internal/store/influx/exchange.ts'
import type { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { errorText } from '../../internal/text/error-text.ts'
import type { CountStored } from './load-types.ts'

const FIELD = 'cpu'
/**
 * How much time one request counts: at 300,000 samples a second 3 million samples, for which InfluxDB 1.6 needs half a
 * second.
 */
const CHUNK_US = 10_000_000

/**
 * Counts the samples of a load in the store: InfluxDB of any version, or VictoriaMetrics, which has a query API of its
 * own.
 *
 * @param transport the caller closes it
 * @param bucket the database of InfluxDB 1.x
 */
export function storeCount(transport: InfluxTransport, bucket: string): CountStored {
  let isVictoria: boolean | undefined
  return async ({ startUs, endUs }, signal) => {
    isVictoria ??= await hasMetricsQl(transport, signal)
    // Without a flush, queries of VictoriaMetrics find a sample one second after it was written.
    if (isVictoria) await transport.send({ method: 'GET', path: '/internal/force_flush' }, signal)
    let count = 0
    for (let from = startUs; from < endUs; ) {
      // Each chunk ends with a millisecond: VictoriaMetrics would count one that two chunks share twice.
      const to = Math.min(Math.floor((from + CHUNK_US) / 1000) * 1000, endUs)
      count += isVictoria
        ? await countMetric(transport, from, to, signal)
        : await countField(transport, bucket, from, to, signal)
      from = to
    }
    return count
  }
}

async function hasMetricsQl(transport: InfluxTransport, signal: AbortSignal): Promise<boolean> {
  const { status } = await get(transport, '/api/v1/query', { query: '1' }, signal)
  return status === 200
}

async function countField(
  transport: InfluxTransport,
  bucket: string,
  fromUs: number,
  toUs: number,
  signal: AbortSignal,
): Promise<number> {
  const q = `SELECT count(${FIELD}) FROM ${MEASUREMENT} WHERE time >= ${fromUs}u AND time < ${toUs}u`
  const name = await bucketName(transport, bucket, signal).catch((error: unknown) => {
    throw cannotCount(transport, errorText(error), error)
  })
  const answer = await get(transport, '/query', { ...databaseOf(name), q, epoch: 'u' }, signal)
  const { results, error } = read<InfluxCount>(transport, answer)
  const problem = error ?? results?.[0]?.error
  if (problem !== undefined || results === undefined) throw cannotCount(transport, problem ?? 'it gives no results')
  return results[0]?.series?.[0]?.values[0]?.[1] ?? 0
}

interface InfluxCount {
  readonly error?: string
  readonly results?: ReadonlyArray<{
    readonly error?: string
    readonly series?: ReadonlyArray<{ readonly values: ReadonlyArray<readonly [timeUs: number, count: number]> }>
  }>
}

/** VictoriaMetrics keeps whole milliseconds, each with all of its samples, so the range is in milliseconds. */
async function countMetric(
  transport: InfluxTransport,
  fromUs: number,
  toUs: number,
  signal: AbortSignal,
): Promise<number> {
  const firstMs = Math.floor(fromUs / 1000)
  const lastMs = Math.floor((toUs - 1) / 1000)
  // A range of MetricsQL excludes its beginning: (time - range, time]. Without `nocache` the last 30 s are not counted.
  const query = `sum(count_over_time(${MEASUREMENT}_${FIELD}[${lastMs - firstMs + 1}ms]))`
  const answer = await get(transport, '/api/v1/query', { query, time: `${lastMs / 1000}`, nocache: '1' }, signal)
  const { data, error } = read<VictoriaCount>(transport, answer)
  if (data === undefined) throw cannotCount(transport, error ?? 'it gives no data')
  return Number(data.result[0]?.value[1] ?? 0)
}

interface VictoriaCount {
  readonly error?: string
  readonly data?: { readonly result: ReadonlyArray<{ readonly value: readonly [timeS: number, count: string] }> }
}

async function get(
  transport: InfluxTransport,
  path: string,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<InfluxAnswer> {
  try {
    return await transport.send({ method: 'GET', path: `${path}?${new URLSearchParams(parameters)}` }, signal)
  } catch (error) {
    throw cannotCount(transport, errorText(error), error)
  }
}

function read<T>(transport: InfluxTransport, { status, body }: InfluxAnswer): T {
  if (status === 401 || status === 403)
    throw cannotCount(transport, `it answers ${status}: check ${transport.credentials}`)
  try {
    return JSON.parse(body) as T
  } catch (error) {
    throw cannotCount(transport, `it answers ${status}, ${body.slice(0, 200)}`, error)
  }
}

function cannotCount({ url }: InfluxTransport, why: string, cause?: unknown): Error {
  return new Error(
    `the store at ${url} cannot be asked how many samples it has: ${why}; see --influx-url and --no-count`,
    {
      cause,
    },
  )
}
