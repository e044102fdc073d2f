import fastifyCors from '@fastify/cors'
import fastifyRateLimit from '@fastify/rate-limit'
import Fastify, { LogController } from 'fastify'
import type { Logger } from 'pino'
import { answerClientError } from '../http/problem.ts'
import type { Feed } from '../live/feed.ts'
import type { LiveTable } from '../live/live-table.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import type { StoreReader } from '../store/store.ts'
import type { Clock } from '../time/clock.ts'
import { KnownHosts } from '../view/hosts/known-hosts.ts'
import type { Api } from '../http/app.ts'
import { docsRoutes } from './docs.ts'
import { answerErrors, answerFrameworkError, refuseOtherMethods } from '../http/errors.ts'
import { isLoopback } from '../http/loopback.ts'
import { healthRoutes } from './routes/health.ts'
import { historyRoutes } from './routes/history.ts'
import { HostsAnswers, hostsRoutes } from './routes/hosts.ts'
import { liveRoutes } from './routes/live.ts'
import { pageRoutes } from './routes/page.ts'
import { securityHeaders } from '../http/security-headers.ts'

export interface ApiOptions {
  readonly reader: StoreReader
  readonly table: LiveTable
  /** Is closed when the app closes. */
  readonly feed: Feed
  readonly clock: Clock
  readonly logger: Logger
  /** What keeps the process from doing its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Prometheus' text format. */
  metrics(): Promise<string>
  readonly version: string
  /** The folder of the built page. */
  readonly webRoot: string
  /** A host is stale when its newest sample is older than this, ms. Asked at each request. */
  readonly staleAfterMs?: () => number
  /** Origins whose pages may read this API; none by default. */
  readonly corsOrigins?: readonly string[]
  /** Whether `X-Forwarded-For` tells the client's address: only behind a proxy that sets it. */
  readonly trustProxy?: boolean
  readonly limits?: Partial<ApiLimits>
}

interface ApiLimits {
  /**
   * Requests a minute that one address may make of `/api/v1`. Ten a second is a wall of dashboards, and far from what hurts. This
   * machine itself is not counted: its users run the dashboards, and could do worse. (Behind a proxy on this machine, set
   * `trustProxy`, or nobody is counted.) A function is asked at each request.
   */
  readonly requestsPerMinute: number | (() => number)
  /** Queries to the store side by side. */
  readonly maxQueries: number
  readonly queryTimeoutMs: number
  /** Bytes of the request line and all headers. The longest URL that is of use, 32 fields and 8 tags, is a third of it. */
  readonly maxHeaderBytes: number
  readonly maxUrlLength: number
  /** For a request to arrive, ms. */
  readonly requestTimeoutMs: number
}

const DEFAULT_LIMITS: ApiLimits = {
  requestsPerMinute: 600,
  maxQueries: 64,
  queryTimeoutMs: 15_000,
  maxHeaderBytes: 24 * 1024,
  maxUrlLength: 8 * 1024,
  requestTimeoutMs: 10_000,
}

/** No resource takes a body yet; fastify wants one byte at least. */
const MAX_BODY_BYTES = 1

/** What an answer may still take once the process ends. */
const CLOSE_GRACE_MS = 1_000

/** A host's name is at most 1,024 bytes, each of them three when percent-encoded. */
const MAX_PATH_PART_LENGTH = 3 * 1024

/**
 * The API, ready to listen or to be asked by `inject`. `close` ends the live streams, then waits for the requests that are
 * being answered.
 */
export function buildApi(options: ApiOptions): Api {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const { reader, table, clock } = options
  const faults = new LogThrottle(options.logger)
  const known = new KnownHosts({ reader, clock })
  const hosts = new HostsAnswers({ table, known, clock, faults, staleAfterMs: options.staleAfterMs ?? (() => 10_000) })
  const corsOrigins = options.corsOrigins ?? []

  const app: Api = Fastify({
    // A dashboard asks every few seconds: a line for each request would bury the others.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: options.trustProxy ?? false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: limits.requestTimeoutMs,
    http: { maxHeaderSize: limits.maxHeaderBytes, headersTimeout: limits.requestTimeoutMs },
    routerOptions: { maxParamLength: MAX_PATH_PART_LENGTH, ignoreTrailingSlash: true },
    // Without these an unknown parameter would vanish in silence, and `field=` repeated would be joined somehow.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array', allErrors: false } },
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError,
  })

  answerErrors(app, faults)
  // No promises in what every request goes through: a short answer is made in less time than they take.
  app.addHook('onRequest', (request, reply, done) => {
    // As `loggerInstance` it would be checked for each request, and the request's end listened to for a line that nobody wants.
    request.log = reply.log = options.logger
    const url = request.raw.url!
    reply.headers(securityHeaders(url))
    done(url.length > limits.maxUrlLength ? new UrlTooLongError(limits.maxUrlLength) : undefined)
  })
  app.addHook('onClose', async () => faults.flush())
  // A browser opens connections before it has a request for them. To Node they are never idle, and closing would wait for them to time out.
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS).unref()
  })
  if (corsOrigins.length > 0) app.register(fastifyCors, { origin: [...corsOrigins], methods: ['GET', 'HEAD'] })
  app.register(async (root: Api) => {
    await docsRoutes(root, options.version)
    root.register(
      async (api: Api) => {
        const max = limits.requestsPerMinute
        await api.register(fastifyRateLimit, { global: false, max, timeWindow: '1 minute' })
        // The plugin's type knows no other logger than its own.
        const limit = api.rateLimit().bind(api) as (request: object, reply: object) => Promise<unknown>
        api.addHook('onRequest', (request, reply, done) => {
          if (isLoopback(request.ip)) done()
          else limit(request, reply).then(() => done(), done)
        })
        hostsRoutes(api, hosts)
        historyRoutes(api, { reader, table, known, clock, ...limits })
        liveRoutes(api, options.feed)
        refuseOtherMethods(api, ['/hosts', '/hosts/:host/metrics', '/live'])
      },
      { prefix: '/api/v1' },
    )
    healthRoutes(root, options)
    refuseOtherMethods(root, ['/', '/health', '/ready', '/metrics', '/docs', '/docs/json'])
    await pageRoutes(root, options.webRoot)
  })
  return app
}

class UrlTooLongError extends Error {
  readonly statusCode = 414
  constructor(maxLength: number) {
    super(`the URL is longer than ${maxLength} characters`)
  }
}
