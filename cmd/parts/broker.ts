import { type Broker, BrokerError, type BrokerUse } from '../../internal/broker/broker.ts'
import { openBroker } from '../../internal/broker/open.ts'
import { ConfigError } from '../../internal/config/error.ts'
import type { Duty } from '../../internal/config/role.ts'
import type { Context } from '../program/context.ts'
import { addBrokerMetrics } from './broker-metrics.ts'
import { redisOf } from './tls.ts'

/**
 * What each duty does with the broker. The API's own metrics are samples too, it takes rows of fabrics that are pushed to it, and it
 * shows what waits.
 */
export const BROKER_USES: Readonly<Record<Duty, readonly BrokerUse[]>> = {
  measure: ['publish'],
  ingest: ['consume', 'announce'],
  serve: ['publish', 'watch', 'snapshot', 'look'],
  generate: [],
  queue: [],
  embed: [],
}

/**
 * The broker that the settings name. It closes after all that is opened from now on.
 *
 * @param uses what the process does with it: it is not ready while its user of Redis may not
 * @throws ConfigError when the server of the settings can never be the broker
 */
export async function connectBroker(context: Context, uses: readonly BrokerUse[] = []): Promise<Broker> {
  const { settings, logger, releaser, metrics, readiness } = context
  const { kind, topic, consumes, partitions, group, consumer, maxLength, maxAgeMs, visibilityMs, gatherMs } =
    settings.broker
  const redis = { ...(await redisOf(context)), gatherMs }
  const broker = await openBroker(
    kind === 'memory'
      ? { kind, logger }
      : kind === 'pubsub'
        ? { kind, logger, redis, uses, partitions, ...(consumes.length > 0 ? { consumes } : {}) }
        : { kind, logger, redis, uses, topic, partitions, group, consumer, maxLength, maxAgeMs, visibilityMs },
    (begun) => releaser.push('broker', () => begun.close()),
  ).catch((error: unknown) => {
    throw error instanceof BrokerError && error.kind === 'refused' ? new ConfigError([error.message]) : error
  })
  readiness.push(() => broker.health().problem)
  addBrokerMetrics(metrics, broker)
  return broker
}
