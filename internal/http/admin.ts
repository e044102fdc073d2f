import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { DebugSources } from '../observe/debug-metrics.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { Profiler, type Profiles } from '../observe/profiling/profiler.ts'
import type { WatchedTls } from '../tls/watched.ts'
import { type Answer, json, type Route, refusal } from './answer.ts'
import { hasBody } from './body.ts'
import { answerClientError, CONNECTIONS_CHECKING_INTERVAL_MS, refuseExpectations } from './client-error.ts'
import { isFromHere, limitConnections } from './connection-limit.ts'
import { debugRoutes } from './debug.ts'
import { Doorkeeper, type Refusals } from './doorkeeper.ts'
import { BodyError, HttpError, InternalError, MethodError, StoppingError, UnknownPathError } from './errors.ts'
import type { Guard } from './guard.ts'
import { type ListenPlace, listen, urlOf } from './listen.ts'
import type { Needs, OpenPart } from './needs.ts'
import { createServer } from './node-http.ts'
import { DATA_HEADERS } from './security-headers.ts'
import { secure } from './tls/secure.ts'

export interface AdminOptions extends ListenPlace {
  /** The name of the program in `/health`. */
  readonly name: string
  readonly version: string
  readonly logger: Logger
  /** For lines that a client can repeat. */
  readonly faults: LogThrottle
  /** Names that the listener answers to, beside those of loopback. Asked at each request. */
  readonly hosts: () => readonly string[]
  readonly refusals: Refusals
  /** With it the listener speaks TLS alone. */
  readonly tls?: WatchedTls | undefined
  /** Asks for keys whoever is not on this machine: who is on it sees its processes. Without it every request passes. */
  readonly guard?: () => Promise<Guard>
  /** What keeps the process from its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Makes Prometheus' text format. A registry of prom-client fits. */
  readonly registry: { readonly contentType: string; metrics(): Promise<string> }
  /** What `/debug/ledger` and `/debug/figures` answer; without it they answer 404. */
  readonly figures?: DebugSources
  /** Default: those of this process. */
  readonly profiles?: Profiles
}

export interface Admin {
  readonly url: string
  /** Answers the requests that have arrived, and takes no more. */
  close(): Promise<void>
}

const METHODS = ['GET', 'HEAD']
/**
 * For a scraper, a probe and a person. More connections, larger headers or slower requests are a mistake or an attack.
 */
const MAX_CONNECTIONS = 100
/** Of one address: a scraper, a probe and a browser need ten. Nobody alone may keep the others out. */
const MAX_CONNECTIONS_PER_ADDRESS = 32
const MAX_HEADER_BYTES = 8 * 1024
const REQUEST_TIMEOUT_MS = 5_000
const KEEP_ALIVE_TIMEOUT_MS = 60_000
/** How long answers may take once the process stops, ms. */
const CLOSE_GRACE_MS = 500

/**
 * The listener that every role has for its operators: `/health` (the process lives), `/ready` (it can do its work, else
 * 503 with the reasons), `/metrics`, profiles under `/debug/pprof/`, and what benchmarks read under `/debug/`.
 *
 * @throws Error that names what to change when the port is taken
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const routes: Readonly<Record<string, Route>> = {
    '/health': () =>
      json(200, { status: 'ok', name: options.name, version: options.version, node: process.versions.node }),
    '/ready': () => {
      const reasons = options.ready()
      return json(reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons })
    },
    '/metrics': async () => ({
      status: 200,
      type: options.registry.contentType,
      body: await options.registry.metrics(),
    }),
    ...debugRoutes(options, options.profiles ?? new Profiler(options.name)),
  }

  const doorkeeper = new Doorkeeper({
    hosts: options.hosts,
    listensOn: options.host,
    setting: '--admin-hosts or SENTINEL_ADMIN_HOSTS',
    refusesReadsOfOtherPages: true,
    refusals: options.refusals,
  })
  let closing = false
  /** One for each request that is being answered. */
  const running = new Set<AbortController>()
  const reply = (response: ServerResponse, { status, type, body, headers }: Answer): void => {
    // A body that nobody reads stays on the connection, so no other request can follow it.
    if (closing || hasBody(response.req)) response.setHeader('connection', 'close')
    response.writeHead(status, {
      ...DATA_HEADERS,
      'content-type': type,
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      ...headers,
    })
    response.end(body)
  }

  const routeOf = (request: IncomingMessage, path: string): Route => {
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) throw new UnknownPathError(path)
    if (!METHODS.includes(request.method!)) throw new MethodError(request.method!, path, METHODS)
    if (hasBody(request)) throw new BodyError()
    return route
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [path = '', search = ''] = pathAndQuery(request.url ?? '')
    // Later the connection may be gone.
    const address = request.socket.remoteAddress ?? ''
    const controller = new AbortController()
    running.add(controller)
    response.once('close', () => {
      running.delete(controller)
      controller.abort()
    })
    const { signal } = controller
    try {
      const refused = doorkeeper.refusal(request, () => path)
      if (refused !== undefined) throw refused
      const [needs, part] = needsOf(path)
      const isTrusted = needs === 'public' || isFromHere(request, address)
      const guard = isTrusted ? undefined : await options.guard?.()
      const identity = await guard?.check(request, address, needs, part)
      const [isHead, host] = [request.method === 'HEAD', request.headers.host ?? '']
      const asked = { isHead, host, query: new URLSearchParams(search), signal }
      const answered = await routeOf(request, path)(asked)
      reply(response, answered)
      if (identity !== undefined && needs === 'admin') {
        const { method = '' } = request
        guard?.audit(identity, needs, { method, route: path, status: answered.status, address })
      }
    } catch (error) {
      const answered = answerTo(error, signal)
      answered.log(options.faults, path)
      reply(response, refusal(answered, path))
    }
  }

  const answerTo = (error: unknown, signal: AbortSignal): HttpError => {
    if (error instanceof HttpError) return error
    // A client that has gone away reads no answer, and `end` on its closed response does nothing.
    if (signal.aborted) return new StoppingError()
    return new InternalError(error)
  }

  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECKING_INTERVAL_MS,
      // The doorkeeper refuses a request without a host, with our headers.
      requireHostHeader: false,
      // A profile may take an hour without a byte. This notices that the machine of its client is gone.
      keepAlive: true,
    },
    (request, response) => void answer(request, response),
  )
  server.on('clientError', answerClientError)
  refuseExpectations(server)
  const { tls, refusals, faults } = options
  const secured = tls && secure(server, { tls, refusals, faults, handshakeTimeoutMs: REQUEST_TIMEOUT_MS })
  limitConnections(server, { total: () => MAX_CONNECTIONS, perAddress: () => MAX_CONNECTIONS_PER_ADDRESS }, options)
  const url = urlOf(await listen(server, options), tls && 'https')
  options.logger.info({ url, host: options.host }, 'admin listener')

  return {
    url,
    async close() {
      closing = true
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      for (const controller of running) controller.abort()
      const grace = setTimeout(() => {
        server.closeAllConnections()
        secured?.destroy()
      }, CLOSE_GRACE_MS)
      await closed
      clearTimeout(grace)
    },
  }
}

/** Probes need no key. Profiles show what is in memory, and cost time. */
function needsOf(path: string): [Needs, OpenPart?] {
  if (path.startsWith('/debug/')) return ['admin', 'debug']
  return path === '/metrics' ? ['read', 'metrics'] : ['public']
}

/** A client of a proxy writes `http://name/path`. */
function pathAndQuery(url: string): [path: string, query: string] {
  // What follows a second ? is part of the query.
  const [, path = '', query = ''] = /^(?:\w+:\/\/[^/?#]*)?([^?]*)\??(.*)$/s.exec(url) ?? []
  return [path === '' ? '/' : path, query]
}
