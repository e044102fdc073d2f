import type { Broker } from '../../internal/broker/broker.ts'
import { openBroker } from '../../internal/broker/open.ts'
import type { Context } from '../program/context.ts'
import { addBrokerMetrics } from './broker-metrics.ts'

/** The broker that the settings name. It closes after all that is opened from now on. */
export async function connectBroker({ settings, logger, releaser, metrics, readiness }: Context): Promise<Broker> {
  const { kind, topic, consumes, partitions, group, consumer, maxLength, maxAgeMs, visibilityMs } = settings.broker
  const redis = { url: settings.redis.url ?? '', password: settings.redis.password }
  const broker = await openBroker(
    kind === 'memory'
      ? { kind, logger }
      : kind === 'pubsub'
        ? { kind, logger, redis, partitions, ...(consumes.length > 0 ? { consumes } : {}) }
        : { kind, logger, redis, topic, partitions, group, consumer, maxLength, maxAgeMs, visibilityMs },
    (begun) => releaser.push('broker', () => begun.close()),
  )
  readiness.push(() => broker.health().problem)
  addBrokerMetrics(metrics, broker)
  return broker
}
