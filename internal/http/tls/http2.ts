import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Server, Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { DATA_HEADERS } from '../security-headers.ts'
import { PROBLEM_TYPE, type Problem, problemDocument } from '../problem.ts'

export interface Http2Limits {
  readonly maxHeaderBytes: number
  /** How long a request may take to arrive, ms. */
  readonly requestTimeoutMs: number
  /** A connection on which nothing moves for this long is closed, ms. */
  readonly idleTimeoutMs: number
}

/** Requests of one connection at the same time: a page asks for ten at once. */
const MAX_STREAMS = 100

/**
 * Connections of HTTP/2, each a session with many requests. What comes after it sees each request as it would see the same one of
 * HTTP/1.1: with a header `host`, `transfer-encoding` where a body has no length, and an error where it is cut off.
 */
export class Http2Sessions {
  readonly #limits: Http2Limits
  readonly #server: Http2Server
  /** Why nothing is answered over a session, where that is so. */
  readonly #sessions = new Map<ServerHttp2Session, Problem | undefined>()
  #refusal: Problem | undefined

  constructor(limits: Http2Limits, answer: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#limits = limits
    const { createServer } = process.getBuiltinModule('node:http2')
    this.#server = createServer(
      // Headers of more than 64 KiB end their stream without a word.
      { settings: { maxConcurrentStreams: MAX_STREAMS } },
      (request, response) => {
        if (!this.#prepare(request, response)) return
        answer(request as unknown as IncomingMessage, response as unknown as ServerResponse)
      },
    )
    this.#server.on('checkExpectation', (request: Http2ServerRequest, response: Http2ServerResponse) =>
      refuse(response, { status: 417, detail: `there is no ${JSON.stringify(request.headers.expect)} to expect` }),
    )
    this.#server.on('session', (session) => this.#watch(session))
    // The client broke the rules, or went away.
    this.#server.on('sessionError', () => {})
  }

  /**
   * @param socket decrypted, of a client that has chosen HTTP/2
   * @param refusal the answer to whatever it asks
   */
  open(socket: TLSSocket, refusal?: Problem): void {
    this.#refusal = refusal
    this.#server.emit('connection', socket)
  }

  /** Sessions end once their requests are answered. */
  close(): void {
    for (const session of this.#sessions.keys()) session.close()
  }

  destroy(): void {
    for (const session of this.#sessions.keys()) session.destroy()
  }

  #watch(session: ServerHttp2Session): void {
    this.#sessions.set(session, this.#refusal)
    session.on('error', () => {})
    session.on('close', () => this.#sessions.delete(session))
    // One that asks nothing is as late as a request that does not arrive.
    const end = (): void => session.destroy()
    session.setTimeout(this.#limits.requestTimeoutMs, end)
    session.once('stream', () => session.setTimeout(this.#limits.idleTimeoutMs))
  }

  /** @returns whether it may be answered */
  #prepare(request: Http2ServerRequest, response: Http2ServerResponse): boolean {
    const { headers, stream } = request
    const { maxHeaderBytes, requestTimeoutMs } = this.#limits
    // Without a listener an error of a stream would end the process.
    request.on('error', () => {})
    stream.on('error', () => {})
    const { session } = stream
    const refusal = session === undefined ? undefined : this.#sessions.get(session as ServerHttp2Session)
    if (refusal !== undefined) {
      refuse(response, refusal)
      session!.close()
      return false
    }
    if (request.rawHeaders.reduce((sum, text) => sum + text.length, 0) > maxHeaderBytes) {
      return refuse(response, { status: 431, detail: 'the headers, or the URL, are too long' })
    }
    const authority = headers[':authority']
    if (authority !== undefined && headers.host !== undefined && authority !== headers.host) {
      return refuse(response, { status: 400, detail: 'a request needs one header Host' })
    }
    if (authority !== undefined) headers.host = authority
    if (stream.endAfterHeaders) return true
    if (headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'
    // Node.js would end the body as if all of it had come.
    request.once('aborted', () => request.destroy(new Error('the request was cut off')))
    const { NGHTTP2_CANCEL } = process.getBuiltinModule('node:http2').constants
    const late = setTimeout(() => request.complete || stream.close(NGHTTP2_CANCEL), requestTimeoutMs).unref()
    stream.once('close', () => clearTimeout(late))
    return true
  }
}

function refuse(response: Http2ServerResponse, problem: Problem): false {
  response.writeHead(problem.status, { ...DATA_HEADERS, 'content-type': PROBLEM_TYPE })
  response.end(problemDocument(problem))
  return false
}
