import { TARGET_PROBLEMS } from '../../internal/source/target-error.ts'
import type { AskedTarget, Context } from '../program/context.ts'

/** Lists of targets whose metrics are there. */
const HAVE_METRICS = new WeakSet<Context['targets']>()

/** Takes targets into the metrics that those of all sources have. @param label what people call it */
export function addTargets(
  context: Context,
  asked: ReadonlyArray<readonly [label: string, target: AskedTarget]>,
): void {
  for (const [label, target] of asked) context.targets.push([distinct(label, context), target])
  if (asked.length === 0 || HAVE_METRICS.has(context.targets)) return
  HAVE_METRICS.add(context.targets)
  addTargetMetrics(context)
}

/** Takes a target out of the metrics: it is not asked any more. */
export function removeTarget({ targets }: Context, target: AskedTarget): void {
  const at = targets.findIndex(([, other]) => other === target)
  if (at >= 0) targets.splice(at, 1)
}

/** A fabric and Prometheus' text may be asked for at one address. */
function distinct(label: string, { targets }: Context): string {
  const isTaken = (name: string): boolean => targets.some(([other]) => other === name)
  let name = label
  for (let i = 2; isTaken(name); i++) name = `${label}#${i}`
  return name
}

function addTargetMetrics({ metrics, targets }: Context): void {
  metrics.gauge({
    name: 'sentinel_source_up',
    help: '1 while the last answer of the target was good, 0 otherwise.',
    label: 'target',
    read: () => targets.map(([label, { target }]) => [label, target.up ? 1 : 0] as const),
  })
  metrics.gauge({
    name: 'sentinel_source_age_seconds',
    help: 'How long ago the last good answer of the target came.',
    label: 'target',
    read: () =>
      targets.flatMap(([label, { target }]) =>
        target.ageMs === undefined ? [] : [[label, target.ageMs / 1000] as const],
      ),
  })
  metrics.counter({
    name: 'sentinel_source_nothing_new_total',
    help: 'Good answers of the target without anything new.',
    label: 'target',
    read: () => targets.map(([label, { nothingNew }]) => [label, nothingNew] as const),
  })
  metrics.counter({
    name: 'sentinel_source_rows_total',
    help: 'Rows or lines of the target that were taken.',
    label: 'target',
    read: () => targets.map(([label, { rows }]) => [label, rows] as const),
  })
  metrics.counter({
    name: 'sentinel_source_failures_total',
    help: 'Times that a target gave nothing that can be taken, by reason.',
    label: 'problem',
    read: () =>
      TARGET_PROBLEMS.map((problem) => [
        problem,
        targets.reduce((sum, [, { failures }]) => sum + (failures.get(problem) ?? 0), 0),
      ]),
  })
}
