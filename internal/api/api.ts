import type { Logger } from 'pino'
import { type AppLimits, type AppOptions, createApp } from '../http/app.ts'
import type { App } from '../http/app-types.ts'
import type { ConnectionLimits } from '../http/connection-limit.ts'
import { Refusals } from '../http/doorkeeper.ts'
import type { Guard } from '../http/guard.ts'
import { limitRate, RateLimit, ratesOf, type Sharing } from '../http/rate-limit.ts'
import { refuseUnknownParameters } from '../http/unknown-parameters.ts'
import type { Feed } from '../live/feed.ts'
import type { LiveTable } from '../live/live-table.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import type { StoreReader } from '../store/store.ts'
import type { Clock } from '../time/clock.ts'
import type { WatchedTls } from '../tls/watched.ts'
import type { FabricView } from '../view/fabric/fabric-view.ts'
import { GpuList } from '../view/gpus/gpu-list.ts'
import { GpusView } from '../view/gpus/gpus-view.ts'
import { KnownGpus } from '../view/gpus/known-gpus.ts'
import { HostsView } from '../view/hosts/hosts-view.ts'
import { KnownHosts } from '../view/hosts/known-hosts.ts'
import { PipelineView } from '../view/pipeline/pipeline-view.ts'
import type { QueueView } from '../view/queue/queue-view.ts'
import { addDocs } from './docs.ts'
import { LiveStreams } from './live-streams.ts'
import { addEventsRoute } from './routes/events.ts'
import { addExportRoute } from './routes/export/export.ts'
import { addFabricRoutes } from './routes/fabrics.ts'
import { GpuNames } from './routes/gpus/gpu-names.ts'
import { addGpusRoutes } from './routes/gpus/gpus.ts'
import { addGpuHistoryRoute } from './routes/gpus/history.ts'
import { addGpusLiveRoute } from './routes/gpus/live.ts'
import { addGpuTelemetryRoute } from './routes/gpus/telemetry.ts'
import { addHealthRoutes } from './routes/health.ts'
import { addHistoryRoute, Histories } from './routes/history.ts'
import { addHostsRoute, HostsAnswers, readyHosts } from './routes/hosts.ts'
import { addIntakeRoutes, type IntakeRoutesOptions } from './routes/intake/intake.ts'
import { addLiveRoute } from './routes/live.ts'
import { addPage } from './routes/page.ts'
import { addPipelineRoutes } from './routes/pipeline.ts'
import { addQueueRoute } from './routes/queue.ts'
import { addSwitchRoutes } from './routes/switches.ts'
import { Answers } from './routes/telemetry/answers.ts'
import type { TakeCounters } from './routes/telemetry/counters.ts'
import type { TelemetryShape } from './routes/telemetry/list-metrics.ts'
import { addTelemetryRoutes, FabricLatencies, readyTelemetry } from './routes/telemetry/telemetry.ts'
import { addWhoamiRoute } from './routes/whoami.ts'
import { answerOfStore } from './store-errors.ts'

export interface ApiOptions {
  readonly reader: StoreReader
  /** Whether the reader refuses every query for now. Asked at each list of hosts. */
  readonly storeIsAway?: () => boolean
  readonly table: LiveTable
  /** The app closes it. */
  readonly feed: Feed
  readonly fabrics: FabricView
  /** What waits for those who read it. */
  readonly queue: QueueView
  /** Where the durations of requests for values of fabrics are recorded. */
  readonly fabricLatencies?: FabricLatencies
  readonly telemetryShape?: TelemetryShape
  /** Takes rows of fabrics that are pushed; without it nobody may push. */
  readonly takeCounters?: TakeCounters
  /** Takes samples of other senders; without it there are no such routes. */
  readonly intake?: IntakeRoutesOptions
  readonly clock: Clock
  readonly logger: Logger
  /** What keeps the process from its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Prometheus' text format. */
  metrics(): Promise<string>
  readonly version: string
  /** The folder of the built page. */
  readonly webRoot: string
  /** Origins whose pages may read this API; none by default. */
  readonly corsOrigins?: readonly string[]
  /** Whether `X-Forwarded-For` tells the client's address: only behind a proxy that sets it. */
  readonly trustProxy?: boolean
  /** Names that the API answers to, beside those of loopback. Asked at each request. */
  readonly hosts?: () => readonly string[]
  /** Where it listens. */
  readonly listensOn?: string
  readonly refusals?: Refusals
  /** With it the API speaks TLS alone. */
  readonly tls?: WatchedTls | undefined
  /** Asks for keys; without it every request passes. */
  readonly guard?: Guard
  readonly limits?: Partial<ApiLimits>
}

interface ApiLimits extends Omit<AppLimits, 'connections'> {
  /**
   * Connections of one address. An office behind one address, or a published port of Docker, brings many people: a page
   * needs one for its stream, and a browser opens at most six. Asked at each connection.
   */
  readonly maxConnectionsPerAddress: () => number
  /** Live streams of one address. Asked at each stream. */
  readonly maxLiveClientsPerAddress: () => number
  /**
   * Requests to `/api/v1` and `/telemetry` that one address may make in a minute. Ten a second serve a wall of dashboards, and are far
   * below what the process can answer. Behind a proxy on this machine no client is counted unless `trustProxy` is set.
   * A function is asked at each request.
   */
  readonly requestsPerMinute: number | (() => number)
  /** The same of one key, wherever it is used from. */
  readonly requestsPerMinutePerKey: number | (() => number)
  /** Counts of requests of other processes; without it this one counts alone. */
  readonly sharing?: Sharing | undefined
  /** Queries to the store side by side. */
  readonly maxQueries: number
  readonly queryTimeoutMs: number
}

const DEFAULT_LIMITS: ApiLimits = {
  requestsPerMinute: 600,
  requestsPerMinutePerKey: 6_000,
  maxConnectionsPerAddress: () => 256,
  maxLiveClientsPerAddress: () => 50,
  maxQueries: 64,
  queryTimeoutMs: 15_000,
  // No resource takes a body yet, and fastify wants one byte at least.
  maxBodyBytes: 1,
  // The longest useful URL, with 32 fields and 8 tags, takes a third of this.
  maxHeaderBytes: 24 * 1024,
  maxUrlLength: 8 * 1024,
  // The name of a host is at most 1,024 bytes, each of them three characters when percent-encoded.
  maxPathPartLength: 3 * 1024,
  requestTimeoutMs: 10_000,
}

/** Connections beside those of live streams, which have a limit of their own. */
const MAX_OTHER_CONNECTIONS = 1_000

/**
 * The API, ready to listen or to be asked by `inject`. `close` ends the live streams, then waits for the requests that
 * are being answered.
 */
export function buildApi(options: ApiOptions): App {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const { reader, table, clock, logger, corsOrigins = [], trustProxy = false } = options
  const { hosts = () => [], listensOn, refusals = new Refusals() } = options
  const { storeIsAway = () => false, fabrics, fabricLatencies: latencies = new FabricLatencies() } = options
  const limit = new RateLimit({ ...ratesOf('api', limits), sharing: limits.sharing })
  const answers = new Answers()
  const faults = new LogThrottle(logger)
  const view = new HostsView(table)
  const known = new KnownHosts({ reader, clock })
  const gpus = new GpusView(table)
  const gpuList = new GpuList(gpus)
  const knownGpus = new KnownGpus({ reader, clock })
  const gpuCounts = async (): Promise<ReadonlyMap<string, number>> => gpuList.counts(await knownGpus.get())
  const hostsAnswers = new HostsAnswers({ view, known, gpuCounts, clock, faults, storeIsAway })
  const connections: ConnectionLimits = {
    total: () => MAX_OTHER_CONNECTIONS + options.feed.maxClients,
    // Behind a proxy all clients have its address.
    perAddress: () => (trustProxy ? undefined : limits.maxConnectionsPerAddress()),
    setting: '--api-max-connections-per-address or SENTINEL_API_MAX_CONNECTIONS_PER_ADDRESS',
  }
  const app: AppOptions = {
    ...{
      logger,
      faults,
      translate: answerOfStore,
      limits: { ...limits, connections },
      corsOrigins,
      trustProxy,
      refusals,
      tls: options.tls,
    },
    ...(options.guard === undefined ? {} : { guard: options.guard }),
    fastLane: {
      limit,
      routes: new Map([
        ...readyTelemetry('/telemetry', { view: fabrics, answers, latencies }),
        ['/api/v1/hosts', { ready: readyHosts(hostsAnswers) }],
      ]),
    },
    hosts: {
      hosts,
      ...(listensOn === undefined ? {} : { listensOn }),
      setting: '--api-hosts or SENTINEL_API_HOSTS',
    },
  }
  return createApp(app, async (root) => {
    await addDocs(root, options.version)
    root.register(async (limited: App) => {
      limitRate(limited, limit, refusals)
      limited.register(addResources, { prefix: '/api/v1' })
      limited.register(addTelemetry, { prefix: '/telemetry' })
    })
    const { intake } = options
    // Outside of the limit of queries: it has one of its own.
    if (intake !== undefined) root.register(async (scope: App) => addIntakeRoutes(scope, { refusals, ...intake }))
    addHealthRoutes(root, options)
    await addPage(root, options.webRoot)
  })

  async function addResources(api: App): Promise<void> {
    refuseUnknownParameters(api)
    addWhoamiRoute(api, options.guard)
    addHostsRoute(api, hostsAnswers)
    const histories = new Histories({ reader, clock, ...limits })
    addHistoryRoute(api, view, reader, histories)
    addFabricRoutes(api, options.fabrics)
    addSwitchRoutes(api, { view: options.fabrics, clock, reader, histories })
    const streams = new LiveStreams(api, options.feed, limits.maxLiveClientsPerAddress)
    addLiveRoute(api, { feed: options.feed, table, fabrics: options.fabrics, gpus, streams })
    addPipelineRoutes(api, { view: new PipelineView(table), feed: options.feed, streams })
    addQueueRoute(api, options.queue)
    addGpus(api, histories, streams)
  }

  function addGpus(api: App, histories: Histories, streams: LiveStreams): void {
    const names = new GpuNames(gpuList, knownGpus)
    addGpusRoutes(api, { list: gpuList, known: knownGpus, clock, storeIsAway, faults })
    addGpusLiveRoute(api, { view: gpus, feed: options.feed, streams, clock })
    addGpuHistoryRoute(api, names, histories)
    addGpuTelemetryRoute(api, { names, reader, histories, clock })
    addEventsRoute(api, { reader, names, histories, clock })
    addExportRoute(api, { reader, histories, clock })
  }

  async function addTelemetry(telemetry: App): Promise<void> {
    const { telemetryShape: shape = 'array', takeCounters } = options
    const common = { view: fabrics, clock, faults, translate: answerOfStore, answers }
    addTelemetryRoutes(telemetry, { ...common, shape, latencies, takeCounters })
  }
}
