import type { Broker } from '../../internal/broker/broker.ts'
import { HttpBroker } from '../../internal/broker/http/broker.ts'
import { addBrokerMetrics } from '../parts/broker-metrics.ts'
import { openClientTls } from '../parts/tls.ts'
import type { Context } from '../program/context.ts'

/** Publishes through a gateway of the queue. It closes after all that is opened from now on. */
export async function openHttpBroker(context: Context): Promise<Broker> {
  const { settings, releaser, readiness, metrics, logger } = context
  const { httpUrl: url, topic } = settings.broker
  const tls = await openClientTls(context, 'gateway')
  const broker = new HttpBroker({ url, topic, tls, serviceToken: () => context.settings.auth.serviceToken })
  releaser.push('broker', () => broker.close())
  readiness.push(() => broker.health().problem)
  addBrokerMetrics(metrics, broker)
  logger.info({ host: new URL(url).host, topic }, 'agent publishes through a queue')
  return broker
}
