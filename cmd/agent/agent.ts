import type { Broker } from '../../internal/broker/broker.ts'
import { OwnMetrics, processMetrics } from '../../internal/observe/own-metrics.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { osName } from '../../internal/source/host/os-name.ts'
import { HostSource } from '../../internal/source/host/source.ts'
import { Ticker } from '../../internal/time/ticker.ts'
import { instanceOf } from '../parts/data-folder.ts'
import { openPublisher } from '../parts/publisher.ts'
import type { Context } from '../program/context.ts'

/** The source of the agent, and how many read errors were logged. */
interface AgentSource {
  readonly source: HostSource
  readonly table: SeriesTable
  readonly problems: () => number
}

/**
 * Opens the host source, which takes a first reading. Call it before everything else of a start: the first tick then
 * has an older reading to compare with, so that the first sample has CPU usage.
 */
export function openSource({ settings, onReload, logger }: Context): AgentSource {
  const { host, include, netExclude, procRoot, sysRoot, mountRoot } = settings.agent
  // A series of a device that is gone is of no use here: its rows are gone too.
  const table = new SeriesTable({ briefUs: 10e6, idleUs: 10e6 })
  let problems = 0
  const source = new HostSource({
    host,
    table,
    procRoot,
    sysRoot,
    mountRoot,
    include,
    excludeInterfaces: netExclude,
    onProblem: ({ part, message, cause, unsaid }) => {
      problems++
      logger.info({ part, err: cause, ...(unsaid > 0 ? { unsaid } : {}) }, message)
    },
  })
  onReload(['agent.include'], ({ agent }) => source.include(agent.include))
  onReload(['agent.netExclude'], ({ agent }) => source.excludeInterfaces(agent.netExclude))
  return { source, table, problems: () => problems }
}

/** Runs source → publisher → broker, once per interval. */
export async function openAgent(
  context: Context,
  broker: Broker,
  { source, table, problems }: AgentSource,
): Promise<void> {
  const { settings, onReload, version, logger, clock, releaser, throttle, metrics, summary } = context
  const { host, intervalMs, mountRoot } = settings.agent
  const { publisher, ledger, publishLatency } = await openPublisher(context, broker, 'agent')
  const os = osName(mountRoot)
  const own = new OwnMetrics({
    table,
    host,
    role: 'agent',
    instance: instanceOf(settings, 'agent'),
    metrics: {
      version: ['string', () => version],
      os: ['string', () => os],
      interval_ms: ['int', () => context.settings.agent.intervalMs],
      produced: ['int', () => ledger.produced],
      sent: ['int', () => ledger.sent],
      dropped: ['int', () => ledger.dropped],
      held: ['int', () => publisher.held],
      missed_ticks: ['int', () => ticker.missed],
      publish_p99_us: ['float', () => publishLatency.recent().p99Us],
      ...processMetrics(),
    },
  })
  const add = (sample: Sample): void => publisher.add(sample)
  const ticker: Ticker = new Ticker({
    intervalMs,
    clock,
    onTick: async (atUs) => {
      await source.collect(atUs, add)
      own.collect(atUs, add)
      publisher.flush()
    },
    onError: (err) => throttle.error('tick', { err }, 'the host could not be measured'),
  })

  metrics.counter({
    name: 'sentinel_missed_ticks_total',
    help: 'Ticks skipped because the previous tick still ran, or the process could not run.',
    read: () => ticker.missed,
  })
  metrics.counter({
    name: 'sentinel_source_problems_total',
    help: 'Errors in reading the host that were logged.',
    read: problems,
  })
  metrics.counter({
    name: 'sentinel_source_left_out_figures_total',
    help: 'Figures that were read and not sent, because they cannot be or cannot be known, by reason.',
    label: 'reason',
    read: () => source.leftOut,
  })
  summary.push(() => ({
    agent_produced: ledger.produced,
    agent_taken_over: ledger.takenOver,
    agent_sent: ledger.sent,
    agent_dropped: ledger.dropped,
    agent_held: ledger.held,
  }))

  onReload(['agent.intervalMs'], ({ agent }) => ticker.setInterval(agent.intervalMs))
  ticker.start()
  releaser.push('source', async () => {
    await ticker.stop()
    await source.close()
  })
  logger.info({ host, intervalMs, broker: broker.kind }, 'agent measures')
}
