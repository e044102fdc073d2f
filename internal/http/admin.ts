import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { DebugSources } from '../observe/debug-metrics.ts'
import { Profiler, type Profiles } from '../observe/profiling/profiler.ts'
import { type Answer, json, problem, type Route } from './answer.ts'
import { debugRoutes } from './debug.ts'
import { type ListenPlace, listen, urlOf } from './listen.ts'
import { answerClientError } from './problem.ts'

export interface AdminOptions extends ListenPlace {
  /** The program, as /health tells it. */
  readonly name: string
  readonly version: string
  readonly logger: Logger
  /** What keeps the process from its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Prometheus' text format: a registry of prom-client is one. */
  readonly registry: { readonly contentType: string; metrics(): Promise<string> }
  /** What `/debug/ledger` and `/debug/figures` tell; nothing when left out. */
  readonly figures?: DebugSources
  /** Those of this process when left out. */
  readonly profiles?: Profiles
}

export interface Admin {
  readonly url: string
  /** Answers the requests that are there, and no more. */
  close(): Promise<void>
}

/** A scraper, a probe and a person: more connections, larger headers or slower requests are a mistake or an attack. */
const MAX_CONNECTIONS = 100
const MAX_HEADER_BYTES = 8 * 1024
const REQUEST_TIMEOUT_MS = 5_000
const KEEP_ALIVE_TIMEOUT_MS = 60_000
/** What an answer may still take once the process ends. */
const CLOSE_GRACE_MS = 500

/**
 * The listener of every role for those who run it: `/health` (the process lives), `/ready` (it can do its work, else 503 with the
 * reasons), `/metrics`, profiles under `/debug/pprof/`, and figures for benchmarks under `/debug/`.
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
  /** Of the requests that are being answered. */
  const running = new Set<AbortController>()
  const reply = (response: ServerResponse, { status, type, body, headers }: Answer): void => {
    // Of a request whose body is not wanted the rest is not read, so no other can follow it.
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

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const refuse = (status: number, detail: string): void =>
      reply(response, problem({ status, detail, instance: path }))
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) return refuse(404, `there is nothing at ${path}`)
    const isHead = request.method === 'HEAD'
    if (request.method !== 'GET' && !isHead) {
      response.setHeader('allow', 'GET, HEAD')
      return refuse(405, `${request.method} is not for ${path}`)
    }
    if (hasBody(request)) return refuse(413, 'a body is not for this')
    const controller = new AbortController()
    running.add(controller)
    response.once('close', () => {
      running.delete(controller)
      controller.abort()
    })
    const { signal } = controller
    try {
      reply(
        response,
        await route({ isHead, host: request.headers.host ?? '', query: new URLSearchParams(query), signal }),
      )
    } catch (error) {
      // Who has gone away is not told why, and `end` on a closed response does nothing.
      if (signal.aborted) return refuse(503, 'the process is stopping')
      options.logger.error({ err: error, path }, 'the admin listener failed')
      refuse(500, 'the process failed to answer; its log says how')
    }
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
