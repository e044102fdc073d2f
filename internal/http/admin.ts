import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { type ListenPlace, listen, urlOf } from './listen.ts'
import { answerClientError, PROBLEM_TYPE, problemDocument } from './problem.ts'

export interface AdminOptions extends ListenPlace {
  /** The program, as /health tells it. */
  readonly name: string
  readonly version: string
  readonly logger: Logger
  /** What keeps the process from its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Prometheus' text format: a registry of prom-client is one. */
  readonly registry: { readonly contentType: string; metrics(): Promise<string> }
}

export interface Admin {
  readonly url: string
  /** Answers the requests that are there, and no more. */
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
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
 * reasons), `/metrics`.
 *
 * @throws Error that names what to change when the port is taken
 */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const routes: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
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
  }

  let closing = false
  const reply = (response: ServerResponse, { status, type, body }: Answer): void => {
    // Of a request whose body is not wanted the rest is not read, so no other can follow it.
    if (closing || hasBody(response.req)) response.setHeader('connection', 'close')
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    response.end(body)
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '').split('?', 1)[0]!
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) return reply(response, problem(404, `there is nothing at ${path}`, path))
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return reply(response, problem(405, `${request.method} is not for ${path}`, path))
    }
    if (hasBody(request)) return reply(response, problem(413, 'a body is not for this', path))
    try {
      reply(response, await route())
    } catch (error) {
      options.logger.error({ err: error, path }, 'the admin listener failed')
      reply(response, problem(500, 'the process failed to answer; its log says how', path))
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
      const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
      await closed
      clearTimeout(grace)
    },
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function json(status: number, value: object): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` }
}

function problem(status: number, detail: string, instance: string): Answer {
  return { status, type: PROBLEM_TYPE, body: problemDocument({ status, detail, instance }) }
}
