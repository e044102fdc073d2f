import type { Profile } from '../../internal/generator/profile.ts'
import type { Push } from '../../internal/generator/push.ts'
import type { GeneratorStats } from '../../internal/generator/server.ts'
import type { Snapshots } from '../../internal/generator/snapshots.ts'
import type { Context } from '../program/context.ts'

export function addSnapshotMetrics(
  { metrics, summary }: Context,
  { rows }: Profile,
  snapshots: Snapshots,
  { answers, faults }: GeneratorStats,
): void {
  metrics.counter({
    name: 'sentinel_generator_snapshots_total',
    help: 'Snapshots made.',
    read: () => snapshots.current.number + 1,
  })
  metrics.counter({
    name: 'sentinel_generator_missed_snapshots_total',
    help: 'Intervals without a new snapshot, because the one before was still being made or the process stood still.',
    read: () => snapshots.missed,
  })
  metrics.gauge({
    name: 'sentinel_generator_snapshot_seconds',
    help: 'How long the newest snapshot took to make, between answers.',
    read: () => snapshots.tookMs / 1_000,
  })
  metrics.gauge({
    name: 'sentinel_generator_snapshot_bytes',
    help: 'The size of the newest snapshot.',
    read: () => snapshots.current.body.bytes,
  })
  metrics.gauge({ name: 'sentinel_generator_rows', help: 'The rows of a snapshot.', read: () => rows })
  metrics.counter({
    name: 'sentinel_generator_answers_total',
    help: 'Answers that were sent to their end, by status.',
    label: 'status',
    read: () => answers,
  })
  metrics.counter({
    name: 'sentinel_generator_faults_total',
    help: 'Requests that were answered with a fault, by mode.',
    label: 'mode',
    read: () => faults,
  })
  summary.push(() => ({ snapshots: snapshots.current.number + 1, answers: sum(answers), faults: sum(faults) }))
}

export function addPushMetrics({ metrics, summary }: Context, { stats }: Push): void {
  metrics.counter({
    name: 'sentinel_generator_pushes_total',
    help: 'Snapshots sent to the intake, and those that a newer one replaced while they waited, by result.',
    label: 'result',
    read: () => Object.entries(stats),
  })
  summary.push(() => ({ pushed: stats.accepted }))
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0)
}
