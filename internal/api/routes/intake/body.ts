import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, gunzipSync, inflate } from 'node:zlib'
import { HttpError } from '../../../http/errors.ts'
import type { Room } from './room.ts'

const [gunzipAsync, inflateAsync] = [promisify(gunzip), promisify(inflate)]

export interface BodyLimits {
  /** As it is sent, where it is packed. */
  readonly maxPackedBytes: number
  readonly maxBodyBytes: number
}

/** What packed bodies are taken to unpack to at first: text of metrics is packed to a tenth or less. */
const USUAL_RATIO = 10
/** Unpacked at once: a thread would take longer to begin. */
const SMALL_BYTES = 16 * 1024
const RETRY_SECONDS = 1

/**
 * Reads the body of a request, and unpacks it. There is room for it in memory until the work is done; before there is, it
 * stays in the connection.
 *
 * @param work what is done with the body
 * @throws HttpError 413 it is too large; 415 it is packed in an unknown way; 400 it is not what it is said to be; 429
 *   there was no room for long
 */
export async function withBody<T>(
  request: IncomingMessage,
  limits: BodyLimits,
  room: Room,
  work: (body: Buffer) => Promise<T>,
): Promise<T> {
  const packing = String(request.headers['content-encoding'] ?? 'identity').toLowerCase()
  if (!PACKINGS.has(packing))
    throw new HttpError(415, `a body must not be packed as ${packing}, only as gzip or deflate`)
  const isPacked = packing !== 'identity'
  const most = isPacked ? Math.min(limits.maxPackedBytes, limits.maxBodyBytes) : limits.maxBodyBytes
  const announced = request.headers['content-length']
  const sentBytes = announced === undefined ? most : Number(announced)
  if (sentBytes > most) throw tooLarge(most, isPacked)
  let taken = Math.min(limits.maxBodyBytes, isPacked ? sentBytes * USUAL_RATIO : sentBytes)
  if (!(await room.take(taken))) throw noRoom()
  try {
    const sent = await readAll(request, most, isPacked)
    if (!isPacked) return await work(sent)
    const body = await unpack(packing, sent, taken)
    if (body !== undefined) return await work(body)
    // It unpacks to more than usual: with all that a body may have it finds an end.
    room.free(taken)
    taken = limits.maxBodyBytes
    if (!(await room.take(taken))) {
      taken = 0
      throw noRoom()
    }
    const larger = await unpack(packing, sent, taken)
    if (larger === undefined) throw tooLarge(limits.maxBodyBytes, false)
    return await work(larger)
  } finally {
    room.free(taken)
  }
}

const PACKINGS: ReadonlySet<string> = new Set(['identity', 'gzip', 'x-gzip', 'deflate'])

async function readAll(request: IncomingMessage, maxBytes: number, isPacked: boolean): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  // A thrown error must not destroy the connection: its answer is still to be sent.
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > maxBytes) throw tooLarge(maxBytes, isPacked)
    parts.push(part)
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes)
}

/** @returns undefined when it is larger */
async function unpack(packing: string, body: Buffer, maxOutputLength: number): Promise<Buffer | undefined> {
  // A length of 0 is none for zlib.
  const options = { maxOutputLength: Math.max(1, maxOutputLength) }
  try {
    if (packing === 'deflate') return await inflateAsync(body, options)
    return body.length <= SMALL_BYTES && maxOutputLength <= SMALL_BYTES * USUAL_RATIO
      ? gunzipSync(body, options)
      : await gunzipAsync(body, options)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw new HttpError(400, `the body is not packed as ${packing}`, { cause })
  }
}

function tooLarge(maxBytes: number, isPacked: boolean): HttpError {
  const [what, setting] = isPacked ? ['a packed body', 'intake.maxPackedBytes'] : ['a body', 'intake.maxBodyBytes']
  return new HttpError(413, `${what} has at most ${maxBytes} bytes (${setting})`)
}

function noRoom(): HttpError {
  return new HttpError(429, 'too many bodies are read at the moment', { retryAfterSeconds: RETRY_SECONDS })
}
