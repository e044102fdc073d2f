import type { Agent, ClientRequest, RequestOptions } from 'node:http'
import type { ConnectionOptions } from 'node:tls'
import {
  describeError,
  exchange,
  type InfluxAnswer,
  type InfluxRequest,
  StaleConnectionError,
  type Timeouts,
  TransportError,
  UnreadableAnswerError,
} from './exchange.ts'
import { KeptConnections } from './kept-connections.ts'
import { HttpAgent, HttpsAgent, httpRequest, httpsRequest } from './node-http.ts'

const CONNECT_TIMEOUT_MS = 5_000
const ANSWER_TIMEOUT_MS = 30_000
const MAX_CONNECTIONS = 16
/** InfluxDB 1.x repeats its whole error message in a header; with Node's 16 KiB, 200 bad lines would look like a broken connection. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024

/**
 * 2.7 answers 403 to a token that is inactive or has too few rights, and 404 where the token may not see what is there. A token's rights
 * never change: another must take its place.
 */
const TOKEN_DOUBTS: ReadonlySet<number> = new Set([401, 403, 404])

export interface InfluxServer {
  /** `http://host:8086`, with a path if InfluxDB is behind one. A user and password in it are sent as Basic authorization. */
  readonly url: string
  /** Read before the first request and again after each 401, 403 or 404, so a changed token file takes effect. '' means no token. */
  readonly token?: () => string | Promise<string>
  /** For InfluxDB 1.x; ignored when there is a token. */
  readonly username?: string
  readonly password?: string
  /** For `https://`: authority, certificate and name, where they are not those of Node.js. */
  readonly tls?: ConnectionOptions | undefined
  readonly connectTimeoutMs?: number
  /** From the start of a request to the last byte of its answer. */
  readonly answerTimeoutMs?: number
  readonly maxConnections?: number
}

/** A POST that is made once and sent many times, each time with another body. */
export interface RepeatedPost {
  /** As in InfluxRequest. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** One try to get an answer. */
type Try = (authorization: string, options?: RequestOptions) => Promise<InfluxAnswer>

/**
 * HTTP to one InfluxDB over kept-alive connections. A request may reach the server twice, which is harmless because writes are idempotent.
 * The client library is not used here: its `send` takes only strings, which costs a copy and an encoding of each batch.
 */
export class InfluxTransport {
  /** Without credentials, for messages. */
  readonly url: string
  readonly #token: (() => string | Promise<string>) | undefined
  readonly #timeouts: Timeouts
  readonly #request: typeof httpRequest
  /** The same for all requests. Parsing the URL for each request showed in profiles of small writes. */
  readonly #base: { readonly hostname: string; readonly port: string; readonly path: string } & RequestOptions
  readonly #agent: Agent
  /** For repeated posts. Over TLS there are none: encryption takes longer than what they save. */
  readonly #kept: KeptConnections | undefined
  readonly #host: string
  readonly #basic: string
  readonly #tls: ConnectionOptions
  #head: { readonly post: RepeatedPost; readonly authorization: string; readonly text: string } | undefined
  #knownToken: string | undefined
  #pending = 0
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
    this.#token = server.token
    this.#timeouts = {
      connectMs: server.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      answerMs: server.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
    }
    this.#tls = server.tls ?? {}
    const options = { keepAlive: true, maxSockets: server.maxConnections ?? MAX_CONNECTIONS }
    const isSecure = base.protocol === 'https:'
    this.#agent = isSecure ? new HttpsAgent({ ...options, ...this.#tls }) : new HttpAgent(options)
    this.#request = isSecure ? httpsRequest : httpRequest
    // Only a URL puts brackets around an IPv6 address.
    const hostname = base.hostname.replace(/^\[(.*)\]$/, '$1')
    const place = { hostname, port: base.port, maxHeaderSize: MAX_HEADER_BYTES }
    this.#host = base.host
    this.#kept = isSecure ? undefined : new KeptConnections(place, this.#timeouts)
    this.#base = { ...place, path, agent: this.#agent }
  }

  /** The settings to check when the server refuses the credentials. */
  get credentials(): string {
    if (this.#knownToken) return 'INFLUX_TOKEN or INFLUX_TOKEN_FILE'
    if (this.#basic !== '') return 'INFLUX_USERNAME and INFLUX_PASSWORD or INFLUX_PASSWORD_FILE'
    return 'INFLUX_TOKEN or INFLUX_TOKEN_FILE; for InfluxDB 1.x INFLUX_USERNAME and INFLUX_PASSWORD'
  }

  /** Rejects with a TransportError when there is no answer; every status is an answer. */
  send(request: InfluxRequest, signal: AbortSignal): Promise<InfluxAnswer> {
    const sendOnce: Try = (authorization, options) => this.#sendOnce(request, authorization, signal, options)
    return this.#counted(() => (request.isPublic ? this.#onLiveConnection(sendOnce, '') : this.#authorized(sendOnce)))
  }

  /** As `send`, and a quarter as dear where the answer is 204, because a write is sent 20 to 100 times a second. */
  post(post: RepeatedPost, body: Buffer, signal: AbortSignal): Promise<InfluxAnswer> {
    const postOnce: Try = (authorization, options) => {
      if (this.#kept === undefined || options !== undefined) {
        return this.#sendOnce({ method: 'POST', ...post, body }, authorization, signal, options)
      }
      throwIfAborted(signal)
      return this.#kept.post(this.#headOf(post, authorization), body, signal)
    }
    return this.#counted(() => this.#authorized(postOnce))
  }

  /** Closes after the requests in flight have ended. Called when another transport takes over. */
  retire(): void {
    this.#retired = true
    if (this.#pending === 0) this.close()
  }

  /** The next request reads the token again: an answer says, in a 200, what a token without the right to read is told. */
  doubtToken(): void {
    this.#knownToken = undefined
  }

  close(): void {
    this.#agent.destroy()
    this.#kept?.close()
  }

  async #counted(send: () => Promise<InfluxAnswer>): Promise<InfluxAnswer> {
    this.#pending++
    try {
      return await send()
    } finally {
      this.#pending--
      if (this.#retired && this.#pending === 0) this.close()
    }
  }

  async #authorized(send: Try): Promise<InfluxAnswer> {
    const authorization = await this.#authorization()
    const answer = await this.#onLiveConnection(send, authorization)
    if (!TOKEN_DOUBTS.has(answer.status)) return answer
    this.doubtToken()
    const newAuthorization = await this.#authorization()
    if (newAuthorization === authorization) return answer
    return this.#onLiveConnection(send, newAuthorization)
  }

  async #authorization(): Promise<string> {
    try {
      this.#knownToken ??= ((await this.#token?.()) ?? '').trim()
    } catch (error) {
      throw new TransportError('NO_TOKEN', `the token cannot be read: ${describeError(error)}`, { cause: error })
    }
    if (/[^\x21-\x7e]/.test(this.#knownToken)) {
      this.#knownToken = undefined
      throw new TransportError('NO_TOKEN', 'the token has spaces or characters that no token has')
    }
    return this.#knownToken === '' ? this.#basic : `Token ${this.#knownToken}`
  }

  async #onLiveConnection(send: Try, authorization: string): Promise<InfluxAnswer> {
    try {
      return await send(authorization)
    } catch (error) {
      if (error instanceof StaleConnectionError) {
        this.#kept?.closeIdle()
        return send(authorization)
      }
      if (isOddHeader(error)) return send(authorization, LENIENT)
      throw error
    }
  }

  async #sendOnce(
    request: InfluxRequest,
    authorization: string,
    signal: AbortSignal,
    options: RequestOptions = {},
  ): Promise<InfluxAnswer> {
    throwIfAborted(signal)
    return exchange(this.#open(request, authorization, options), request, this.#timeouts, signal)
  }

  #open(request: InfluxRequest, authorization: string, options: RequestOptions): ClientRequest {
    const headers: Record<string, string | number> = headersOf(request, authorization)
    if (request.body !== undefined) headers['content-length'] = Buffer.byteLength(request.body)
    const path = `${this.#base.path}${request.path}`
    // Without the agent a request needs them itself.
    const tls = options.agent === false ? this.#tls : {}
    return this.#request({ ...this.#base, ...tls, ...options, path, method: request.method, headers })
  }

  /** All of a request before its body but the length. A writer has one post, so one is kept. */
  #headOf(post: RepeatedPost, authorization: string): string {
    if (this.#head?.post === post && this.#head.authorization === authorization) return this.#head.text
    const headers = { host: this.#host, connection: 'keep-alive', ...headersOf(post, authorization) }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const text = `POST ${this.#base.path}${post.path} HTTP/1.1\r\n${lines.join('')}`
    this.#head = { post, authorization, text }
    return text
  }
}

function headersOf({ headers }: Pick<InfluxRequest, 'headers'>, authorization: string): Record<string, string> {
  const all: Record<string, string> = { accept: 'application/json', 'user-agent': 'sentinelstream', ...headers }
  if (authorization !== '') all.authorization = authorization
  return all
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new TransportError('ABORTED', 'stopped before it was sent')
}

/**
 * For a second look at an answer whose header has control characters: InfluxDB 1.x repeats a refused line there, with those of its
 * strings. Read strictly, that answer stops the line's whole batch. Its connection is closed afterwards, so nothing else is read this way.
 */
const LENIENT: RequestOptions = { insecureHTTPParser: true, agent: false }

function isOddHeader(error: unknown): boolean {
  return error instanceof UnreadableAnswerError && error.code === 'HPE_INVALID_HEADER_TOKEN'
}
