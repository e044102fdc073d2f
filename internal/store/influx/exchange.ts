import type { ClientRequest, IncomingHttpHeaders } from 'node:http'
import { errorText } from '../../text/error-text.ts'
import { deferred } from '../../time/deferred.ts'

/** InfluxDB 2.7 repeats every bad line of a 1 MiB body, JSON-escaped: that fits. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export interface InfluxRequest {
  readonly method: 'GET' | 'POST'
  /** Path and query as they are sent: escaped. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
  readonly maxAnswerBytes?: number
  /** Sent without credentials. */
  readonly isPublic?: boolean
}

export interface InfluxAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The body was longer than `maxAnswerBytes`, and is cut off somewhere. */
  readonly cut: boolean
}

export interface Timeouts {
  readonly connectMs: number
  /** From the start of the request to the last byte of the answer. */
  readonly answerMs: number
}

/** There is no answer, or it cannot be read. `code` is Node's, or `TIMEOUT`, `ABORTED` or `NO_TOKEN`. */
export class TransportError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TransportError'
    this.code = code
  }
}

/**
 * An answer came and cannot be read: its HTTP is broken (`code` begins with `HPE_`), or it ends in the middle. Another request on another
 * connection may be answered well.
 */
export class UnreadableAnswerError extends TransportError {}

/** The server closed a kept-alive connection just as it was used again. The request left no trace: send it on another connection. */
export class StaleConnectionError extends TransportError {}

/**
 * Sends the body of an HTTP request and reads the answer.
 *
 * @param request open, nothing sent yet
 * @throws TransportError when there is no answer; every status is an answer
 */
export function exchange(
  request: ClientRequest,
  { body, maxAnswerBytes = MAX_ANSWER_BYTES }: Pick<InfluxRequest, 'body' | 'maxAnswerBytes'>,
  { connectMs, answerMs }: Timeouts,
  signal: AbortSignal,
): Promise<InfluxAnswer> {
  const { promise, resolve, reject } = deferred<InfluxAnswer>()
  const abandon = (code: string, message: string): void => {
    reject(new TransportError(code, message))
    request.destroy()
  }

  const answerTimer = setTimeout(() => abandon('TIMEOUT', `no answer within ${answerMs} ms`), answerMs)
  let connectTimer: NodeJS.Timeout | undefined
  const onAbort = (): void => abandon('ABORTED', 'stopped while it was sent')
  signal.addEventListener('abort', onAbort, { once: true })

  request.once('socket', (socket) => {
    if (!socket.connecting) return
    connectTimer = setTimeout(() => abandon('TIMEOUT', `no connection within ${connectMs} ms`), connectMs)
    socket.once('connect', () => clearTimeout(connectTimer))
  })
  let answered = false
  request.on('error', (error: NodeJS.ErrnoException) => {
    const isParsed = error.code?.startsWith('HPE_') !== true
    // The server may answer before it has read the whole body (413, 401). The answer then counts, not the broken connection.
    if (answered && isParsed) return
    const isStale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
    const Kind = isStale ? StaleConnectionError : isParsed ? TransportError : UnreadableAnswerError
    reject(new Kind(error.code ?? 'UNKNOWN', describeError(error), { cause: error }))
  })
  request.once('response', (response) => {
    answered = true
    const chunks: Buffer[] = []
    let bytes = 0
    const finish = (cut: boolean): void => {
      const text = Buffer.concat(chunks, Math.min(bytes, maxAnswerBytes)).toString('utf8')
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, cut })
      if (cut || !request.writableFinished) request.destroy()
    }
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > maxAnswerBytes) finish(true)
    })
    response.once('end', () => finish(false))
    response.on('error', (error) =>
      reject(new UnreadableAnswerError('ECONNRESET', `it broke off: ${describeError(error)}`, { cause: error })),
    )
  })
  request.end(body)

  return promise.finally(() => {
    clearTimeout(answerTimer)
    clearTimeout(connectTimer)
    signal.removeEventListener('abort', onAbort)
  })
}

/** `localhost` without a listener fails on both its addresses, and the AggregateError of the two has no text of its own. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describeError).join('; ')
  return errorText(error)
}
