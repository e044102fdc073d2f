import type { Broker } from '../../internal/broker/broker.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { OwnFigures } from '../../internal/observe/own-figures.ts'
import { ProcessFigures } from '../../internal/observe/process.ts'
import { Publisher } from '../../internal/publish/publisher.ts'
import { PublisherLedger } from '../../internal/sample/ledger.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { createHostSource, hostFacts } from '../../internal/source/host.ts'
import { Ticker } from '../../internal/source/ticker.ts'
import type { Context, RoleSummary } from '../context.ts'

/**
 * source → publisher → broker, once an interval. Opened in that order's reverse, so that the releaser stops it in the flow's: first no
 * tick begins any more, then the publisher sends what it holds.
 */
export function openAgent(context: Context, broker: Broker): RoleSummary {
  const { settings, logger, clock, releaser, throttle } = context
  const { agent, outbox } = settings
  const table = new SeriesTable()
  const ledger = new PublisherLedger()
  const publisher = new Publisher({
    broker,
    codec: frameCodec,
    sourceId: context.sourceId('agent'),
    clock,
    logger,
    throttle,
    ledger,
    outboxMaxBytes: outbox.maxBytes,
    outboxMaxAgeMs: outbox.maxAgeMs,
  })
  const facts = hostFacts(agent.mountRoot)
  const process = new ProcessFigures()
  const host = createHostSource({
    host: agent.host,
    table,
    procRoot: agent.procRoot,
    sysRoot: agent.sysRoot,
    mountRoot: agent.mountRoot,
    include: agent.include,
    onProblem: ({ part, message, cause, unsaid }) => logger.warn({ part, err: cause, unsaid }, message),
  })
  const own = new OwnFigures({
    table,
    host: agent.host,
    role: 'agent',
    figures: {
      version: ['string', () => context.version],
      os: ['string', () => facts.os],
      produced: ['int', () => ledger.produced],
      sent: ['int', () => ledger.sent],
      dropped: ['int', () => ledger.dropped],
      held: ['int', () => ledger.held],
      missed_ticks: ['int', () => ticker.missed],
      ...process.figures(),
    },
  })
  const add = (sample: Sample): void => publisher.add(sample)
  const ticker: Ticker = new Ticker({
    intervalMs: agent.intervalMs,
    clock,
    onTick: async (atUs) => {
      await host.collect(atUs, add)
      await own.collect(atUs, add)
      publisher.flush()
    },
    onError: (error) => throttle.error('tick', { err: error }, 'a tick failed: no host metrics this time'),
  })

  publisher.start()
  releaser.push('publisher', (signal) => publisher.stop(signal))
  ticker.start()
  releaser.push('source', async () => {
    await ticker.stop()
    await host.close()
  })
  return {}
}
