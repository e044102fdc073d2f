import type { IncomingMessage } from 'node:http'
import fastifyCompress from '@fastify/compress'
import fastifyCors from '@fastify/cors'
import Fastify, { LogController } from 'fastify'
import type { Logger } from 'pino'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { WatchedTls } from '../tls/watched.ts'
import { answerErrors, answerTo, sendProblem, type Translate } from './answer-errors.ts'
import type { App } from './app-types.ts'
import type { HostRules } from './asked-host.ts'
import { hasBody } from './body.ts'
import { answerClientError, CONNECTIONS_CHECKING_INTERVAL_MS, refuseExpectations } from './client-error.ts'
import { compileLate } from './compile-late.ts'
import { COMPRESSION } from './compression.ts'
import { type ConnectionLimits, limitConnections } from './connection-limit.ts'
import { Doorkeeper, type Refusals } from './doorkeeper.ts'
import { endConnection } from './end-connection.ts'
import { BodyError, type HttpError, StoppingError, UrlTooLongError } from './errors.ts'
import { type FastLaneOptions, openFastLane } from './fast-lane.ts'
import { type Guard, guardRoutes } from './guard.ts'
import { refuseOtherMethods } from './other-methods.ts'
import { securityHeaders, transportHeaders } from './security-headers.ts'
import { secure } from './tls/secure.ts'

export interface AppOptions {
  readonly logger: Logger
  /** Logs the faults of this program. It is flushed when the app closes. */
  readonly faults: LogThrottle
  readonly translate: Translate
  readonly limits: AppLimits
  /** Origins whose pages may read the answers. */
  readonly corsOrigins: readonly string[]
  /**
   * Whether `X-Forwarded-For` tells the client's address, and `X-Forwarded-Host` what it asked for. Only for an app
   * that nobody reaches but through a proxy that sets them.
   */
  readonly trustProxy: boolean
  readonly hosts: HostOptions
  readonly refusals: Refusals
  /** Asks for keys; without it every request passes. */
  readonly guard?: Guard
  /** Answers that are ready. */
  readonly fastLane?: FastLaneOptions
  /** With it the server speaks TLS alone, HTTP/2 too. */
  readonly tls?: WatchedTls | undefined
}

export interface AppLimits {
  readonly maxBodyBytes: number
  /** Bytes of the request line and all headers. */
  readonly maxHeaderBytes: number
  readonly maxUrlLength: number
  /** Characters of one parameter in the path, percent-encoded. */
  readonly maxPathPartLength: number
  /** How long a request may take to arrive, ms. It is checked each second. */
  readonly requestTimeoutMs: number
  readonly connections: ConnectionLimits
}

/** What the requests may be for: see `HostRules`. */
type HostOptions = Pick<HostRules, 'hosts' | 'listensOn' | 'setting'>

/** A connection on which nothing of an answer moves for this long is closed, ms: its client is gone, or reads nothing. */
const IDLE_TIMEOUT_MS = 120_000
/** What pages of other origins may send and see. They read, and write nothing. */
const CORS = {
  methods: ['GET', 'HEAD'],
  allowedHeaders: ['X-API-Key', 'Authorization', 'If-None-Match', 'If-Modified-Since', 'Last-Event-ID', 'Range'],
  exposedHeaders: ['ETag', 'Last-Modified', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'Content-Range'],
  // A browser that asks each time would ask twice as often as it reads.
  maxAge: 600,
}
/** How long answers may take once the app closes, ms. */
const CLOSE_GRACE_MS = 1_000

/**
 * An HTTP server with what all routes need: limits, headers for browsers, a problem document for each error, and 405
 * for each method that a path has no route for. All of it applies to every request, from any address.
 *
 * @param addRoutes adds the routes; it is called before the app is ready
 */
export function createApp(options: AppOptions, addRoutes: (root: App) => Promise<void>): App {
  const { logger, faults, translate, limits, corsOrigins, trustProxy, hosts, refusals, guard, tls } = options
  const app: App = Fastify({
    // A dashboard asks every few seconds. A line for each request would bury the others.
    logController: new LogController({ disableRequestLogging: true }),
    // Only the address that the proxy itself added: its client may have sent the others.
    trustProxy: (_address, hop) => trustProxy && hop === 0,
    return503OnClosing: false,
    bodyLimit: limits.maxBodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    http: {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: CONNECTIONS_CHECKING_INTERVAL_MS,
      // The doorkeeper refuses a request without a host, with our headers.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: limits.maxPathPartLength, ignoreTrailingSlash: true },
    // Without these, ajv would drop an unknown parameter, join the values of a repeated one, and let 1e309 pass every maximum: it is Infinity.
    ajv: {
      customOptions: { removeAdditional: false, coerceTypes: 'array', allErrors: false, strictNumbers: false },
    },
    schemaController: { compilersFactory: compileLate() },
    // A URL that cannot be decoded never reaches the hooks, so it is given its headers here.
    frameworkErrors: (error, request, reply) => {
      reply.headers(securityHeaders(request.url))
      if (tls !== undefined) reply.headers(transportHeaders(request.headers.host))
      sendProblem(request, reply, answerTo(error))
    },
    clientErrorHandler: answerClientError,
  })
  answerErrors(app, faults, translate)
  refuseExpectations(app.server)
  const secured =
    tls &&
    secure(app.server, {
      ...{ tls, refusals, faults, handshakeTimeoutMs: limits.requestTimeoutMs },
      http2: {
        ...limits,
        idleTimeoutMs: IDLE_TIMEOUT_MS,
        answer: (request, response) => app.routing(request, response),
      },
    })
  limitConnections(app.server, limits.connections, { refusals, faults, tls })
  // Not by `connectionTimeout`: the fast lane, whose answers leave at once, is spared a timer for each, a tenth of its time.
  app.server.prependListener('request', ({ socket }: IncomingMessage) => socket.setTimeout(IDLE_TIMEOUT_MS))
  const doorkeeper = new Doorkeeper({ ...hosts, trustProxy, refusals, refusesReadsOfOtherPages: false })
  let closing = false
  // Answers that pages of other origins may read have further headers.
  if (options.fastLane !== undefined && corsOrigins.length === 0) {
    openFastLane(app.server, {
      ...{ ...options.fastLane, trustProxy, idleTimeoutMs: IDLE_TIMEOUT_MS },
      moreHeaders: tls && (({ headers }) => transportHeaders(headers.host)),
      pass: (request, opens) => {
        if (closing || request.url!.length > limits.maxUrlLength || !doorkeeper.passes(request)) return undefined
        return guard === undefined ? '' : guard.pass(request, opens)
      },
    })
  }
  // One hook with a callback: a short answer takes less time than three hooks with promises.
  app.addHook('onRequest', (request, reply, done) => {
    // With `loggerInstance` fastify would check the logger and listen to two events at each request, and then log
    // nothing.
    request.log = reply.log = logger
    const { raw } = request
    const url = raw.url!
    reply.headers(securityHeaders(url))
    if (tls !== undefined) reply.headers(transportHeaders(raw.headers.host))
    // A body that nobody reads stays on the connection, so no other request can follow it.
    const body = hasBody(raw)
    if (body && request.routeOptions.config.takesBody !== true) endConnection(request, reply)
    done(refusalOf())

    function refusalOf(): HttpError | undefined {
      if (closing) return new StoppingError()
      if (url.length > limits.maxUrlLength) return new UrlTooLongError(limits.maxUrlLength)
      const refusal = doorkeeper.refusal(raw, () => request.routeOptions.url)
      return refusal ?? (body && (raw.method === 'GET' || raw.method === 'HEAD') ? new BodyError() : undefined)
    }
  })
  app.addHook('onClose', async () => faults.flush())
  // Browsers open connections ahead of requests. Node.js does not count these as idle, so `close` would wait for their
  // timeout.
  app.addHook('preClose', async () => {
    closing = true
    secured?.close()
    const end = (): void => {
      app.server.closeAllConnections()
      secured?.destroy()
    }
    setTimeout(end, CLOSE_GRACE_MS).unref()
  })
  if (corsOrigins.length > 0) app.register(fastifyCors, { ...CORS, origin: [...corsOrigins] })
  app.register(fastifyCompress, COMPRESSION)
  const refuseOthers = refuseOtherMethods(app)
  app.register(async (root: App) => {
    // After the headers for pages of other origins: these may read why they are refused.
    if (guard !== undefined) guardRoutes(root, guard)
    await addRoutes(root)
  })
  app.register(refuseOthers)
  return app
}
