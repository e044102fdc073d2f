import type { Commit } from '../../bench/report/commit.ts'
import type { Machine } from '../../bench/report/machine.ts'
import type { Known } from './judge.ts'

/** Under which circumstances something was measured. */
export interface Circumstances {
  readonly machine: Machine
  readonly node: string
}

/** `docs/benchmarks/micro.json`: what the micro-benchmarks took. The guard compares with it, and docs/benchmarks.md shows it. */
export interface Micro extends Circumstances {
  /** ISO 8601, UTC. */
  readonly measuredAt: string
  readonly commit: Commit | undefined
  /** Makes the same again. */
  readonly command: string
  readonly benchmarks: readonly Known[]
}

/** What makes a comparison weaker: a line for each thing that was not as it is here. */
export function differences(baseline: Circumstances, here: Circumstances): string[] {
  const things: Array<[what: string, then: string, now: string]> = [
    ['machine', machineText(baseline.machine), machineText(here.machine)],
    ['Node.js', baseline.node, here.node],
  ]
  return things
    .filter(([, then, now]) => then !== now)
    .map(
      ([what, then, now]) =>
        `The baseline is of another ${what}: ${then}, here it is ${now}. Ratios only bear with that to some degree.`,
    )
}

function machineText({ cpu, cores }: Machine): string {
  return `${cpu}, ${cores} cores`
}
