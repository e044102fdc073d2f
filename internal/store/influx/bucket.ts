import type { InfluxTransport } from './transport.ts'

/**
 * Database and retention policy of a bucket. InfluxDB 2.x shows a bucket `db/rp` to InfluxQL as the policy `rp` of the database `db`, and
 * 1.x has nothing else.
 */
export function databaseOf(bucket: string): { readonly db: string; readonly rp?: string } {
  const at = bucket.indexOf('/')
  const isBoth = at > 0 && at < bucket.length - 1
  return isBoth ? { db: bucket.slice(0, at), rp: bucket.slice(at + 1) } : { db: bucket }
}

/** Whether a text has the form of an id of InfluxDB 2.x. A name may have it too. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}

/**
 * The name of a bucket that is given by name or id, because InfluxQL and Flux ask for the name. An answer other than the bucket (1.x; a
 * token that may not see it) leaves it as it is: the query that follows says what is wrong.
 *
 * @throws TransportError
 */
export async function bucketName(transport: InfluxTransport, bucket: string, signal: AbortSignal): Promise<string> {
  if (!isId(bucket)) return bucket
  const { status, body } = await transport.send({ method: 'GET', path: `/api/v2/buckets/${bucket}` }, signal)
  try {
    const { name }: { name?: unknown } = status === 200 ? JSON.parse(body) : {}
    return typeof name === 'string' ? name : bucket
  } catch {
    return bucket
  }
}
