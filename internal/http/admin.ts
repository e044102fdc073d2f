import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { DebugSources } from '../observe/debug-metrics.ts'
import { Profiler, type Profiles } from '../observe/profiling/profiler.ts'
import { type Answer, json, type Route, refusal } from './answer.ts'
import { answerClientError } from './client-error.ts'
import { debugRoutes } from './debug.ts'
import { HttpError, InternalError, MethodError, UnknownPathError } from './errors.ts'
import { type ListenPlace, listen, urlOf } from './listen.ts'

export interface AdminOptions extends ListenPlace {
  /** The name of the program in `/health`. */
  readonly name: string
  readonly version: string
  readonly logger: Logger
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
    '/health': () => json(200, { status: 'ok', name: options.name, version: options.version }),
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

  let closing = false
  /** One for each request that is being answered. */
  const running = new Set<AbortController>()
  const reply = (response: ServerResponse, { status, type, body, headers }: Answer): void => {
    // A body that nobody reads stays on the connection, so no other request can follow it.
    if (closing || hasBody(response.req)) response.setHeader('connection', 'close')
    response.writeHead(status, {
      'content-type': type,
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    })
    response.end(body)
  }

  const routeOf = (request: IncomingMessage, path: string): Route => {
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) throw new UnknownPathError(path)
    if (!METHODS.includes(request.method!)) throw new MethodError(request.method!, path, METHODS)
    if (hasBody(request)) throw new HttpError(413, 'this resource takes no body')
    return route
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [path = '', search = ''] = (request.url ?? '').split('?', 2)
    const controller = new AbortController()
    running.add(controller)
    response.once('close', () => {
      running.delete(controller)
      controller.abort()
    })
    const { signal } = controller
    try {
      const [isHead, host] = [request.method === 'HEAD', request.headers.host ?? '']
      const asked = { isHead, host, query: new URLSearchParams(search), signal }
      reply(response, await routeOf(request, path)(asked))
    } catch (error) {
      reply(response, refusal(answerTo(error, path, signal), path))
    }
  }

  const answerTo = (error: unknown, path: string, signal: AbortSignal): HttpError => {
    if (error instanceof HttpError) return error
    // A client that has gone away reads no answer, and `end` on its closed response does nothing.
    if (signal.aborted) return new HttpError(503, 'the process is stopping')
    options.logger.error({ err: error, path }, 'the admin listener failed')
    return new InternalError(error)
  }

  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => void answer(request, response),
  )
  server.maxConnections = MAX_CONNECTIONS
  server.on('clientError', answerClientError)
  const url = urlOf(await listen(server, options))
  options.logger.info({ url }, 'admin listener')

  return {
    url,
    async close() {
      closing = true
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      for (const controller of running) controller.abort()
      const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
      await closed
      clearTimeout(grace)
    },
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
