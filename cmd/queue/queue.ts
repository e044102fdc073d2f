import { join } from 'node:path'
import { BrokerError } from '../../internal/broker/broker.ts'
import { ConfigError } from '../../internal/config/error.ts'
import { listen, urlOf } from '../../internal/http/listen.ts'
import { Gateway } from '../../internal/queue/gateway.ts'
import { buildQueueServer } from '../../internal/queue/http/server.ts'
import { isTopic, TOPIC_RULE } from '../../internal/queue/names.ts'
import { randomHex } from '../../internal/text/random-hex.ts'
import { instanceOf, openDataFolder } from '../parts/data-folder.ts'
import { guardOf, makeFirstKey, refuseOpenListeners } from '../parts/keys.ts'
import { openListenerTls, redisOf } from '../parts/tls.ts'
import { type Context, reasons } from '../program/context.ts'
import { addQueueMetrics } from './metrics.ts'

/** Runs HTTP → gateway → Redis Streams. @throws ConfigError when Redis can never be the broker */
export async function openQueue(context: Context): Promise<void> {
  const { role, settings, onReload, logger, throttle, releaser, readiness, metrics, refusals } = context
  const { queue, broker } = settings
  const wrong = queue.topics.find((topic) => !isTopic(topic))
  if (wrong !== undefined) throw new ConfigError([`queue.topics: ${JSON.stringify(wrong)} must be ${TOPIC_RULE}`])
  const keys = await context.keys()
  await makeFirstKey(context, keys)
  refuseOpenListeners(role, settings, keys)
  const gateway = new Gateway({
    redis: await redisOf(context),
    topics: queue.topics,
    partitions: broker.partitions,
    maxPartitions: queue.maxPartitions,
    maxTopics: Math.max(queue.maxTopics, queue.topics.length),
    queueSize: () => context.settings.queue.maxUnacked,
    visibilityMs: () => context.settings.queue.visibilityMs,
    maxInFlight: () => context.settings.queue.maxInFlight,
    folder: join(await openDataFolder(context, 'queue'), 'overflow'),
    maxBytes: () => context.settings.queue.maxBytes,
    name: `gateway-${instanceOf(settings, 'queue')}`,
    epoch: `k${randomHex()}`,
    nowMs: () => Date.now(),
    logger,
    throttle,
  })
  onReload(['queue.maxUnacked', 'queue.visibilityMs', 'queue.maxInFlight', 'queue.maxBytes'])
  onReload(['queue.maxConsumers', 'queue.maxConnectionsPerAddress', 'queue.hosts'])
  releaser.push('gateway', () => gateway.close())
  await gateway.start().catch((error: unknown) => {
    throw error instanceof BrokerError && error.kind === 'refused' ? new ConfigError([error.message]) : error
  })
  readiness.push(
    () => gateway.redisProblem,
    () => gateway.topics.problem,
  )
  addQueueMetrics(context, gateway)
  const tls = await openListenerTls(context, 'queue')
  const app = buildQueueServer({
    ...{ gateway, logger, refusals, faults: throttle, listensOn: queue.host, tls },
    guard: guardOf(context, keys, { serviceScopes: ['read', 'write'], part: 'queue', tokenLocks: true }),
    maxPartitions: queue.maxPartitions,
    maxBodyBytes: queue.maxBodyBytes,
    maxConsumers: () => context.settings.queue.maxConsumers,
    maxConnectionsPerAddress: () => context.settings.queue.maxConnectionsPerAddress,
    ready: () => reasons(context),
    metrics: () => metrics.registry.metrics(),
    hosts: () => context.settings.queue.hosts,
  })
  releaser.push('http', () => app.close())
  await app.ready()
  const address = await listen(app.server, {
    ...{ host: queue.host, port: queue.port },
    portSetting: '--queue-port or SENTINEL_QUEUE_PORT',
    hostSetting: '--queue-host or SENTINEL_QUEUE_HOST',
  })
  logger.info(
    { url: urlOf(address, tls && 'https'), topics: queue.topics, partitions: broker.partitions },
    'queue answers',
  )
}
