import { FabricLatencies } from '../../internal/api/routes/telemetry/telemetry.ts'
import type { Broker } from '../../internal/broker/broker.ts'
import { FabricView } from '../../internal/view/fabric/fabric-view.ts'
import type { Context } from '../program/context.ts'

/** The current values of fabrics, and how long it takes to answer with them. */
export interface OpenFabrics {
  readonly view: FabricView
  readonly latencies: FabricLatencies
}

/** Opens the view of fabrics, with its metrics. Does not wait for the broker: without it the API still answers history. */
export function openFabrics(context: Context, { snapshots }: Broker): OpenFabrics {
  const { logger, clock, releaser, metrics } = context
  const view = new FabricView({ snapshots, clock, logger, staleAfterMs: () => context.settings.api.staleAfterMs })
  let closing = false
  view.open().catch((err: unknown) => {
    if (!closing) logger.error({ err }, 'the generations of fabrics cannot be listened to')
  })
  releaser.push('fabrics', () => {
    closing = true
    return view.close()
  })
  const latencies = new FabricLatencies()
  const { stats } = view
  metrics.counter({
    name: 'sentinel_fabric_swaps_total',
    help: 'Generations of fabrics that this API has shown.',
    read: () => stats.swaps,
  })
  metrics.counter({
    name: 'sentinel_fabric_unshown_generations_total',
    help: 'Generations that were not shown, because the broker did not have all of them, or because they could not be read.',
    label: 'reason',
    read: () => [
      ['missing', stats.missing],
      ['undecodable', stats.undecodable],
    ],
  })
  metrics.latency({
    name: 'sentinel_fabric_swap_duration_seconds',
    help: 'From the announcement of a generation until it is shown.',
    read: () => view.swapLatency,
  })
  metrics.gauge({
    name: 'sentinel_fabric_rows',
    help: 'Switches or ports that are shown.',
    label: 'fabric',
    read: () => view.names.map((name) => [name, view.shown(name)!.rows] as const),
  })
  metrics.gauge({
    name: 'sentinel_fabric_age_seconds',
    help: 'How long ago the oldest values of a fabric were known to be true.',
    label: 'fabric',
    read: () => view.names.map((name) => [name, oldestMs(view, name) / 1000] as const),
  })
  metrics.latency({
    name: 'sentinel_fabric_query_duration_seconds',
    help: 'How long this API took for requests for values of fabrics.',
    label: 'query',
    read: () => latencies.all,
  })
  return { view, latencies }
}

function oldestMs(view: FabricView, fabric: string): number {
  return Math.max(0, ...view.states(fabric).map(({ ageMs, isCovered }) => (isCovered ? 0 : ageMs)))
}
