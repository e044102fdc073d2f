import { fileURLToPath } from 'node:url'
import { buildApi } from '../../internal/api/api.ts'
import type { Broker } from '../../internal/broker/broker.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { listen, urlOf } from '../../internal/http/listen.ts'
import { Feed } from '../../internal/live/feed.ts'
import { LiveTable } from '../../internal/live/live-table.ts'
import { ReadBreaker } from '../../internal/store/read-breaker.ts'
import type { KnowsRetention, StoreReader } from '../../internal/store/store.ts'
import { QueueView } from '../../internal/view/queue/queue-view.ts'
import { guardOf, makeFirstKey, refuseOpenListeners } from '../parts/keys.ts'
import { openOwnMetrics } from '../parts/own-metrics.ts'
import { openListenerTls } from '../parts/tls.ts'
import { type Context, reasons } from '../program/context.ts'
import { openFabrics } from './fabric.ts'
import { openIntake } from './intake.ts'
import { openPushes } from './pushes.ts'
import { openSharing } from './sharing.ts'

/**
 * Runs live feed → table → clients, and answers history from the store. Publishes its own metrics over the broker.
 *
 * @returns the address of the page, as a browser opens it
 */
export async function openApi(
  context: Context,
  broker: Broker,
  reader: StoreReader & Partial<KnowsRetention>,
): Promise<string> {
  const { role, settings, onReload, logger, clock, releaser, metrics, readiness, version } = context
  const { api } = settings
  const keys = await context.keys()
  await makeFirstKey(context, keys)
  refuseOpenListeners(role, settings, keys)
  const table = new LiveTable({
    ...{ channel: broker.live, codec: frameCodec, clock, logger },
    staleAfterMs: () => context.settings.api.staleAfterMs,
  })
  // Does not wait: without Redis the API still answers history, and the page shows that nothing is live.
  let closing = false
  table.open().catch((err: unknown) => {
    if (!closing) logger.error({ err }, 'the live feed cannot be opened')
  })
  releaser.push('live table', () => {
    closing = true
    return table.close()
  })
  readiness.push(() => (table.opened ? '' : 'the live feed is not open yet'))
  const breaker = new ReadBreaker({ reader, logger })
  releaser.push('read breaker', () => breaker.close())
  readiness.push(() => (breaker.problem === '' ? '' : `queries are not answered: ${breaker.problem}`))
  const feed = new Feed({
    table,
    maxClients: api.maxLiveClients,
    maxOwedSeries: api.liveQueueSeries,
    intervalMs: settings.live.intervalMs,
  })
  onReload(['api.maxLiveClients', 'api.liveQueueSeries'], (changed) =>
    feed.setLimits({ maxClients: changed.api.maxLiveClients, maxOwedSeries: changed.api.liveQueueSeries }),
  )
  onReload(['api.staleAfterMs', 'api.requestsPerMinute', 'api.requestsPerMinutePerKey', 'api.hosts'])
  onReload(['api.maxConnectionsPerAddress', 'api.maxLiveClientsPerAddress'])
  const fabrics = openFabrics(context, broker)
  const publisher = await openOwnMetrics(context, broker, 'api', {
    live_clients: ['int', () => feed.stats.clients],
    live_lost: ['int', () => feed.stats.lost],
  })
  const sharing = await openSharing(context)
  const intake = await openIntake(context, broker, reader)
  const tls = await openListenerTls(context, 'api')
  const app = buildApi({
    reader: breaker,
    storeIsAway: () => breaker.isAway,
    table,
    feed,
    fabrics: fabrics.view,
    queue: new QueueView(broker),
    fabricLatencies: fabrics.latencies,
    telemetryShape: api.telemetryShape,
    takeCounters: openPushes(context, broker, publisher),
    ...(intake === undefined ? {} : { intake: { ...intake, sharing } }),
    clock,
    logger,
    version,
    ready: () => reasons(context),
    metrics: () => metrics.registry.metrics(),
    webRoot: fileURLToPath(new URL('../../web', import.meta.url)),
    corsOrigins: api.corsOrigins,
    trustProxy: api.trustProxy,
    hosts: () => context.settings.api.hosts,
    listensOn: api.host,
    refusals: context.refusals,
    tls,
    guard: guardOf(context, keys, { serviceScopes: ['write'] }),
    limits: {
      requestsPerMinute: () => context.settings.api.requestsPerMinute,
      requestsPerMinutePerKey: () => context.settings.api.requestsPerMinutePerKey,
      sharing,
      maxConnectionsPerAddress: () => context.settings.api.maxConnectionsPerAddress,
      maxLiveClientsPerAddress: () => context.settings.api.maxLiveClientsPerAddress,
    },
  })
  metrics.gauge({ name: 'sentinel_live_clients', help: 'Live streams that are open.', read: () => feed.stats.clients })
  metrics.counter({
    name: 'sentinel_live_lost_readings_total',
    help: 'Readings that clients missed because they were too slow.',
    read: () => feed.stats.lost,
  })
  metrics.counter({
    name: 'sentinel_live_stalled_clients_total',
    help: 'Live streams closed because the client read nothing.',
    read: () => feed.stats.stalled,
  })
  metrics.counter({
    name: 'sentinel_live_refused_clients_total',
    help: 'Live streams refused because there were too many, in all or of one address.',
    read: () => feed.stats.refused,
  })
  metrics.counter({
    name: 'sentinel_live_missed_messages_total',
    help: 'Messages of the live feed that never arrived. The next change of a series repairs its values.',
    read: () => table.stats.missed,
  })
  metrics.counter({
    name: 'sentinel_live_refused_messages_total',
    help: 'Messages of the live feed that could not be decoded.',
    read: () => table.stats.refused,
  })
  metrics.gauge({
    name: 'sentinel_store_queries_ready',
    help: '1 while the store answers queries, 0 while it is away or refuses them.',
    read: () => (breaker.problem === '' ? 1 : 0),
  })
  metrics.counter({
    name: 'sentinel_store_query_outages_total',
    help: 'Times that the store was found to answer no query.',
    read: () => breaker.stats.outages,
  })
  metrics.counter({
    name: 'sentinel_store_refused_queries_total',
    help: 'Queries that were answered without the store, because it was away.',
    read: () => breaker.stats.refused,
  })
  metrics.gauge({ name: 'sentinel_live_series', help: 'Series in the live table.', read: () => table.size })

  feed.start()
  releaser.push('http', () => app.close())
  await app.ready()
  const address = await listen(app.server, {
    ...{ host: api.host, port: api.port },
    portSetting: '--api-port or SENTINEL_API_PORT',
    hostSetting: '--api-host or SENTINEL_API_HOST',
  })
  return api.browserUrl ?? urlOf(address, tls && 'https')
}
