import { BAD_CELL_REASONS, BAD_ROW_REASONS } from '../../internal/fabric/table-reader.ts'
import { DEFAULT_FABRIC } from '../../internal/fabric/generation.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { FabricTarget } from '../../internal/source/fabric/fabric-target.ts'
import { CYCLE_PARTS, type CycleTimes, type FabricSource } from '../../internal/source/fabric/source.ts'
import type { Ticker } from '../../internal/time/ticker.ts'
import type { Context } from '../program/context.ts'
import { addTargets } from './target-metrics.ts'

interface RunningFabric {
  readonly fabric: string
  readonly source: FabricSource
  readonly ticker: Ticker
}

/** How long the parts of the cycles took. */
export class CycleLatencies {
  readonly all = CYCLE_PARTS.map((part) => [part, new LatencyRecorder()] as const)

  readonly record = (times: CycleTimes): void => {
    for (const [part, recorder] of this.all) recorder.record(Math.round(times[`${part}Ms`] * 1000))
  }
}

export function addFabricMetrics(context: Context, running: readonly RunningFabric[], latencies: CycleLatencies): void {
  const { metrics } = context
  const all = running.flatMap(({ fabric, source }) =>
    source.targets.map((target) => [labelOf(fabric, target), target] as const),
  )
  const targets = all.map(([, target]) => target)
  addTargets(context, all)
  metrics.counter({
    name: 'sentinel_fabric_bad_rows_total',
    help: 'Rows that were left out, by reason.',
    label: 'reason',
    read: () => BAD_ROW_REASONS.map((reason) => [reason, sum(targets, ({ reader }) => reader.badRowsBy.get(reason))]),
  })
  metrics.counter({
    name: 'sentinel_fabric_bad_cells_total',
    help: 'Cells that were left out, by reason.',
    label: 'reason',
    read: () => BAD_CELL_REASONS.map((reason) => [reason, sum(targets, ({ reader }) => reader.badCellsBy.get(reason))]),
  })
  metrics.latency({
    name: 'sentinel_fabric_cycle_duration_seconds',
    help: 'How long the parts of a cycle took.',
    label: 'part',
    read: () => latencies.all,
  })
  metrics.counter({
    name: 'sentinel_fabric_missed_cycles_total',
    help: 'Cycles skipped because the one before still ran, or the process could not run.',
    read: () => running.reduce((total, { ticker }) => total + ticker.missed, 0),
  })
}

function labelOf(fabric: string, { target }: FabricTarget): string {
  return fabric === DEFAULT_FABRIC ? target.name : `${fabric}: ${target.name}`
}

function sum(targets: readonly FabricTarget[], of: (target: FabricTarget) => number | undefined): number {
  return targets.reduce((total, target) => total + (of(target) ?? 0), 0)
}
