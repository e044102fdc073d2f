import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { errorText } from '../../text/error-text.ts'

const CONNECT_TIMEOUT_MS = 5_000
const ANSWER_TIMEOUT_MS = 30_000
const MAX_CONNECTIONS = 16
/** InfluxDB 2.7 repeats every bad line of a 1 MiB body, JSON-escaped: that fits. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
/** InfluxDB 1.x repeats its whole error message in a header; with Node's 16 KiB, 200 bad lines would look like a broken connection. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024

export interface InfluxServer {
  /** `http://host:8086`, with a path where InfluxDB stands behind one. A user and password in it are sent as Basic authorization. */
  readonly url: string
  /** Asked at the first request and again after each 401, so that a changed token file is picked up. '' means none. */
  readonly token?: () => string | Promise<string>
  /** Of InfluxDB 1.x; ignored where there is a token. */
  readonly username?: string
  readonly password?: string
  readonly connectTimeoutMs?: number
  /** From the start of a request to the last byte of its answer. */
  readonly answerTimeoutMs?: number
  readonly maxConnections?: number
}

export interface InfluxRequest {
  readonly method: 'GET' | 'POST'
  /** With its query, as it is sent: escaped. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
  readonly maxAnswerBytes?: number
}

export interface InfluxAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The body was longer than allowed, and ends somewhere. */
  readonly cut: boolean
}

/** There is no answer, or none that can be read. `code` is Node's, or one of `TIMEOUT`, `ABORTED`, `NO_TOKEN`. */
export class TransportError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TransportError'
    this.code = code
  }
}

/**
 * HTTP to one InfluxDB over kept-alive connections. All that is sent through it may be sent twice: writes are idempotent. The
 * client library is not used here because its `send` takes strings only, which costs a copy and an encoding of each batch.
 */
export class InfluxTransport {
  /** Without credentials, for messages. */
  readonly url: string
  readonly #server: InfluxServer
  readonly #request: typeof httpRequest
  /** What is the same for all requests: to take the URL apart for each showed in profiles of small writes. */
  readonly #place: { readonly hostname: string; readonly port: string; readonly path: string } & RequestOptions
  readonly #agent: HttpAgent
  readonly #basic: string
  #token: string | undefined
  #underWay = 0
  #retired = false

  constructor(server: InfluxServer) {
    const base = new URL(server.url)
    const username = server.username ?? decodeURIComponent(base.username)
    const password = server.password ?? decodeURIComponent(base.password)
    this.#basic = username === '' ? '' : `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    base.username = ''
    base.password = ''
    const path = base.pathname.replace(/\/$/, '')
    this.url = `${base.origin}${path}`
    this.#server = server
    const options = { keepAlive: true, maxSockets: server.maxConnections ?? MAX_CONNECTIONS }
    const isSecure = base.protocol === 'https:'
    this.#agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options)
    this.#request = isSecure ? httpsRequest : httpRequest
    // An IPv6 address has brackets in a URL, and none elsewhere.
    const hostname = base.hostname.replace(/^\[(.*)\]$/, '$1')
    this.#place = { hostname, port: base.port, path, agent: this.#agent, maxHeaderSize: MAX_HEADER_BYTES }
  }

  /** What a server that refuses them should be told otherwise: the settings' short names. */
  get credentials(): string {
    if (this.#token) return 'INFLUX_TOKEN or INFLUX_TOKEN_FILE'
    if (this.#basic !== '') return 'INFLUX_USERNAME and INFLUX_PASSWORD or INFLUX_PASSWORD_FILE'
    return 'INFLUX_TOKEN or INFLUX_TOKEN_FILE; for InfluxDB 1.x INFLUX_USERNAME and INFLUX_PASSWORD'
  }

  /** Rejects with a TransportError where there is no answer; every status is an answer. */
  async send(request: InfluxRequest, signal: AbortSignal): Promise<InfluxAnswer> {
    this.#underWay++
    try {
      return await this.#sendAuthorized(request, signal)
    } finally {
      this.#underWay--
      if (this.#retired && this.#underWay === 0) this.close()
    }
  }

  /** Closes once what is under way has ended: for one that another has taken the place of. */
  retire(): void {
    this.#retired = true
    if (this.#underWay === 0) this.close()
  }

  close(): void {
    this.#agent.destroy()
  }

  async #sendAuthorized(request: InfluxRequest, signal: AbortSignal): Promise<InfluxAnswer> {
    const authorization = await this.#authorization()
    const answer = await this.#sendAlive(request, authorization, signal)
    if (answer.status !== 401) return answer
    this.#token = undefined
    const newAuthorization = await this.#authorization()
    return newAuthorization === authorization ? answer : this.#sendAlive(request, newAuthorization, signal)
  }

  async #authorization(): Promise<string> {
    try {
      this.#token ??= ((await this.#server.token?.()) ?? '').trim()
    } catch (error) {
      throw new TransportError('NO_TOKEN', `the token cannot be read: ${describe(error)}`, { cause: error })
    }
    if (/[^\x21-\x7e]/.test(this.#token)) {
      this.#token = undefined
      throw new TransportError('NO_TOKEN', 'the token has spaces or characters that no token has')
    }
    return this.#token === '' ? this.#basic : `Token ${this.#token}`
  }

  /** A server that closes an idle connection just as it is used again leaves no trace of the request: send it on another. */
  async #sendAlive(request: InfluxRequest, authorization: string, signal: AbortSignal): Promise<InfluxAnswer> {
    try {
      return await this.#sendOnce(request, authorization, signal)
    } catch (error) {
      if (!(error instanceof StaleConnectionError)) throw error
      return this.#sendOnce(request, authorization, signal)
    }
  }

  #sendOnce(what: InfluxRequest, authorization: string, signal: AbortSignal): Promise<InfluxAnswer> {
    const { promise, resolve, reject } = withResolvers<InfluxAnswer>()
    if (signal.aborted) {
      reject(new TransportError('ABORTED', 'stopped before it was sent'))
      return promise
    }
    const request = this.#open(what, authorization)
    const abandon = (code: string, message: string): void => {
      reject(new TransportError(code, message))
      request.destroy()
    }

    const connectMs = this.#server.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
    const answerMs = this.#server.answerTimeoutMs ?? ANSWER_TIMEOUT_MS
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
      // An answer that came before all was sent (413, 401) counts, whatever becomes of the rest of the body.
      if (answered) return
      const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      const Kind = stale ? StaleConnectionError : TransportError
      reject(new Kind(error.code ?? 'UNKNOWN', describe(error), { cause: error }))
    })
    request.once('response', (response) => {
      answered = true
      const chunks: Buffer[] = []
      const maxBytes = what.maxAnswerBytes ?? MAX_ANSWER_BYTES
      let bytes = 0
      const finish = (cut: boolean): void => {
        const body = Buffer.concat(chunks, Math.min(bytes, maxBytes)).toString('utf8')
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, cut })
        if (cut || !request.writableFinished) request.destroy()
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > maxBytes) finish(true)
      })
      response.once('end', () => finish(false))
      response.on('error', (error) =>
        reject(new TransportError('ECONNRESET', `the answer broke off: ${describe(error)}`, { cause: error })),
      )
    })
    request.end(what.body)

    return promise.finally(() => {
      clearTimeout(answerTimer)
      clearTimeout(connectTimer)
      signal.removeEventListener('abort', onAbort)
    })
  }

  #open(what: InfluxRequest, authorization: string): ClientRequest {
    const headers: Record<string, string | number> = { accept: 'application/json', 'user-agent': 'sentinelstream' }
    Object.assign(headers, what.headers)
    if (what.body !== undefined) headers['content-length'] = Buffer.byteLength(what.body)
    if (authorization !== '') headers.authorization = authorization
    const path = `${this.#place.path}${what.path}`
    return this.#request({ ...this.#place, path, method: what.method, headers })
  }
}

class StaleConnectionError extends TransportError {}

/** `localhost` with nothing behind it fails on both its addresses, and the error over the two has no text of its own. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ')
  return errorText(error)
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (reason: TransportError) => void
} {
  let resolve!: (value: T) => void
  let reject!: (reason: TransportError) => void
  const promise = new Promise<T>((res, rej) => {
    resolve = res
    reject = rej
  })
  return { promise, resolve, reject }
}
