import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { LatencyRecorder } from '../observe/latency.ts'
import { hasBody } from './body.ts'
import type { OpenPart } from './needs.ts'
import { validateHeaderValue } from './node-http.ts'
import { type Counted, isShort, type RateLimit, rateHeaders } from './rate-limit.ts'

/** An answer of status 200 that is there already. */
export interface ReadyAnswer {
  /** The status line and all headers but those of the connection and of the moment. */
  readonly head: string
  readonly body: string | Buffer
  /** Of both as one text: a text of ASCII is written faster as `latin1`. */
  readonly encoding: 'latin1' | 'utf8'
}

/** @throws TypeError for a header that would end before its value does */
export function readyAnswer(headers: Readonly<Record<string, string>>, body: string | Buffer): ReadyAnswer {
  for (const [name, value] of Object.entries(headers)) validateHeaderValue(name, value)
  const bytes = Buffer.byteLength(body)
  const head = `HTTP/1.1 200 OK\r\n${linesOf({ ...headers, 'content-length': `${bytes}` })}`
  return { head: inOnePiece(head), body, encoding: bytes === body.length ? 'latin1' : 'utf8' }
}

/** @returns undefined where the route has to answer */
export type Ready = (request: IncomingMessage) => ReadyAnswer | undefined

/** A route some of whose answers are ready. */
export interface ReadyRoute {
  readonly ready: Ready
  /** How long its answers take is recorded here. */
  readonly latency?: LatencyRecorder
  /** The part that it belongs to, which may be open to everybody. */
  readonly opens?: OpenPart
}

export interface FastLaneOptions {
  /** By path. */
  readonly routes: ReadonlyMap<string, ReadyRoute>
  readonly limit: RateLimit
}

export interface FastLaneRules extends FastLaneOptions {
  /** The id of the key that a sender asks with, '' where it needs none; undefined where it may not ask at all. */
  readonly pass: (request: IncomingMessage, opens: OpenPart | undefined) => string | undefined
  readonly trustProxy: boolean
  /** A connection on which nothing of an answer moves for this long is closed. */
  readonly idleTimeoutMs: number
  /** Further headers of an answer; without it there are none. */
  readonly moreHeaders: ((request: IncomingMessage) => Readonly<Record<string, string>>) | undefined
}

/**
 * Lets plain GETs past the router, hooks and replies of fastify, where their answers are ready. They are checked and
 * counted as on the usual way, and get the same bytes, in one write to the socket: to put a head together for each of them
 * takes `node:http` longer than all of these checks. Whatever is not plain, or not good, goes the usual way, which knows all the words.
 *
 * @param server it does not listen yet
 */
export function openFastLane(server: Server, rules: FastLaneRules): void {
  const { moreHeaders } = rules
  const usual = server.listeners('request') as Array<(request: IncomingMessage, response: ServerResponse) => void>
  const moment = new Moment(server)
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    // Without a socket it waits for the answers to requests that came before it on its connection.
    const { socket } = response
    const answer = socket === null ? undefined : countedAnswer(request, rules)
    if (answer === undefined) {
      for (const listener of usual) listener.call(server, request, response)
      return
    }
    const { ready, counted } = answer
    let { head } = ready
    if (moreHeaders !== undefined) head += linesOf(moreHeaders(request))
    // Two more headers cost time, which is saved where the client is far from its limit.
    if (counted !== undefined && isShort(counted)) head += linesOf(rateHeaders(counted))
    send(socket!, head + moment.lines, ready)
    // `node:http` goes on with the connection as after an answer that it has written itself.
    response.emit('finish')
    // What has not left at once waits for a client that may never read it.
    if (socket!.writableLength > 0) socket!.setTimeout(rules.idleTimeoutMs)
  })
}

/** A short text leaves in one piece with its head. */
function send(socket: Socket, head: string, { body, encoding }: ReadyAnswer): void {
  if (typeof body === 'string') {
    socket.write(head + body, encoding)
    return
  }
  socket.cork()
  socket.write(head, 'latin1')
  socket.write(body)
  socket.uncork()
}

function linesOf(headers: Readonly<Record<string, string>>): string {
  let lines = ''
  for (const name in headers) lines += `${name}: ${headers[name]}\r\n`
  return lines
}

/** V8 keeps a text that was put together as a tree of its parts, and each write of it would gather them anew. */
function inOnePiece(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** The end of each head, as `node:http` writes it. It is made once a second. */
class Moment {
  readonly #server: Server
  /** Empty once its second is over. To ask the clock each time would take longer than all else here. */
  #lines = ''

  constructor(server: Server) {
    this.#server = server
  }

  get lines(): string {
    if (this.#lines === '') this.#begin()
    return this.#lines
  }

  #begin(): void {
    const now = new Date()
    const kept = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(this.#server.keepAliveTimeout / 1000)}`
    this.#lines = inOnePiece(`Date: ${now.toUTCString()}\r\n${kept}\r\n\r\n`)
    const end = (): void => {
      this.#lines = ''
    }
    setTimeout(end, 1000 - now.getMilliseconds()).unref()
  }
}

interface CountedAnswer {
  readonly ready: ReadyAnswer
  readonly counted: Counted | undefined
}

function countedAnswer(request: IncomingMessage, rules: FastLaneRules): CountedAnswer | undefined {
  const url = request.url!
  const pathEnd = url.indexOf('?')
  const route = rules.routes.get(pathEnd < 0 ? url : url.slice(0, pathEnd))
  if (route === undefined || !isPlain(request)) return undefined
  const begunMs = performance.now()
  const key = rules.pass(request, route.opens)
  if (key === undefined) return undefined
  const client = clientOf(request, rules.trustProxy)
  if (client === undefined) return undefined
  const ready = route.ready(request)
  if (ready === undefined) return undefined
  const counted = rules.limit.count(client, key === '' ? undefined : key, begunMs)
  // One that is refused here is counted twice, which changes nothing: its window is full.
  if (counted?.refusal !== undefined) return undefined
  route.latency?.record(Math.round((performance.now() - begunMs) * 1000))
  return { ready, counted }
}

/** A GET on a connection that stays open, with nothing that may make another answer of it than a 200. */
function isPlain(request: IncomingMessage): boolean {
  const { headers } = request
  const { connection } = headers
  // A loop over their names takes longer: each by itself is found where it was last time.
  return (
    request.method === 'GET' &&
    request.httpVersion === '1.1' &&
    (connection === undefined || connection.toLowerCase() === 'keep-alive') &&
    headers['if-none-match'] === undefined &&
    headers['if-match'] === undefined &&
    headers['if-modified-since'] === undefined &&
    headers.range === undefined &&
    headers.upgrade === undefined &&
    !hasBody(request)
  )
}

/** The address of the client; undefined where a proxy says more than that. */
function clientOf({ headers, socket }: IncomingMessage, trustProxy: boolean): string | undefined {
  const forwarded = trustProxy ? headers['x-forwarded-for'] : undefined
  if (forwarded === undefined) return socket.remoteAddress
  return /^[\da-f.:]+$/i.test(String(forwarded)) ? String(forwarded) : undefined
}
