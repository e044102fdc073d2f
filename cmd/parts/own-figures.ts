import type { Broker } from '../../internal/broker/broker.ts'
import { type Figure, OwnFigures } from '../../internal/observe/own-figures.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { Ticker } from '../../internal/time/ticker.ts'
import type { Context } from '../program/context.ts'
import { processFigures } from './process-figures.ts'
import { openPublisher } from './publisher.ts'

const INTERVAL_MS = 1000

/** Publishes the figures of a role that has no samples beside them, once a second, as an agent publishes its host's. */
export async function openOwnFigures(
  context: Context,
  broker: Broker,
  role: string,
  figures: Readonly<Record<string, Figure>>,
): Promise<void> {
  const { settings, clock, releaser, throttle, summary } = context
  const { publisher, ledger } = await openPublisher(context, broker, role)
  const own = new OwnFigures({
    table: new SeriesTable(),
    host: settings.agent.host,
    role,
    figures: { ...figures, ...processFigures() },
  })
  const ticker = new Ticker({
    intervalMs: INTERVAL_MS,
    clock,
    onTick: async (atUs) => {
      await own.collect(atUs, (sample) => publisher.add(sample))
      publisher.flush()
    },
    onError: (err) => throttle.error('own figures', { err }, 'the figures of this process could not be read'),
  })
  ticker.start()
  releaser.push(`${role} figures`, () => ticker.stop())
  summary.push(() => ({
    [`${role}_produced`]: ledger.produced,
    [`${role}_taken_over`]: ledger.takenOver,
    [`${role}_sent`]: ledger.sent,
    [`${role}_dropped`]: ledger.dropped,
    [`${role}_held`]: ledger.held,
  }))
}
