import type { Broker } from '../../internal/broker/broker.ts'
import { type OwnMetric, OwnMetrics, processMetrics } from '../../internal/observe/own-metrics.ts'
import type { Publisher } from '../../internal/publish/publisher.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { Ticker } from '../../internal/time/ticker.ts'
import type { Context } from '../program/context.ts'
import { instanceOf } from './data-folder.ts'
import { openPublisher } from './publisher.ts'

const INTERVAL_MS = 1000

/**
 * Publishes the own metrics of a role, once a second.
 *
 * @returns the publisher, for what else the role publishes
 */
export async function openOwnMetrics(
  context: Context,
  broker: Broker,
  role: string,
  metrics: Readonly<Record<string, OwnMetric>>,
): Promise<Publisher> {
  const { settings, clock, releaser, throttle, summary } = context
  const { publisher, ledger } = await openPublisher(context, broker, role)
  const own = new OwnMetrics({
    table: new SeriesTable(),
    host: settings.agent.host,
    role,
    instance: instanceOf(settings, role),
    metrics: { ...metrics, ...processMetrics() },
  })
  const ticker = new Ticker({
    intervalMs: INTERVAL_MS,
    clock,
    onTick: async (atUs) => {
      own.collect(atUs, (sample) => publisher.add(sample))
      publisher.flush()
    },
    onError: (err) => throttle.error('own metrics', { err }, 'the own metrics of this process could not be read'),
  })
  ticker.start()
  releaser.push(`own metrics of ${role}`, () => ticker.stop())
  summary.push(() => ({
    [`${role}_produced`]: ledger.produced,
    [`${role}_taken_over`]: ledger.takenOver,
    [`${role}_sent`]: ledger.sent,
    [`${role}_dropped`]: ledger.dropped,
    [`${role}_held`]: ledger.held,
  }))
  return publisher
}
