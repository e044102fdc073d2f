import type { Commit } from '../../bench/report/commit.ts'
import type { Machine } from '../../bench/report/machine.ts'
import { median } from '../bench/median.ts'
import type { Figure, Moment, Outcome, Reach, Row, Settings } from './row.ts'

/** What docs/benchmarks/<page>.json holds. */
export interface SpeedFile {
  readonly version: 1
  readonly rows: readonly RowResult[]
}

/** A row as it was measured. */
export interface RowResult {
  readonly id: string
  readonly what: string
  readonly command: string
  readonly figures: readonly FigureResult[]
  /** Whether every figure that has to reach something does; undefined where none has, or one could not be measured. */
  readonly met: boolean | undefined
  readonly notes: readonly string[]
  /** Of the last run. */
  readonly timeline: readonly Moment[]
  /** Of the servers that are not ours. */
  readonly versions: Readonly<Record<string, string>>
  readonly measured: Measured
}

/** Where, when and from what. Rows of one file need not be of one day. */
export interface Measured {
  /** ISO 8601, UTC. */
  readonly at: string
  readonly machine: Machine
  readonly node: string
  readonly commit: Commit | undefined
}

export interface FigureResult {
  readonly name: string
  readonly unit: string
  readonly decimals: number
  /** One for each run that could measure it, in their order. */
  readonly values: readonly number[]
  /** Undefined: no run could. */
  readonly median: number | undefined
  /** The largest less the smallest. */
  readonly spread: number | undefined
  readonly reach?: Reach
  readonly met?: boolean
}

/**
 * @param outcomes of the runs that could be measured
 * @param problems why others could not, and what else speaks against the figures, in words
 */
export function resultOf(
  row: Row,
  settings: Settings,
  outcomes: readonly Outcome[],
  problems: readonly string[],
  measured: Measured,
): RowResult {
  const figures = row.figures.map((figure) => figureOf(figure, outcomes))
  const bounded = figures.filter(({ reach }) => reach !== undefined)
  const isKnown = bounded.length > 0 && bounded.every(({ met }) => met !== undefined)
  return {
    id: row.id,
    what: row.what,
    command: typeof row.command === 'string' ? row.command : row.command(settings),
    figures,
    met: isKnown ? bounded.every(({ met }) => met) : undefined,
    notes: [...new Set([...problems, ...outcomes.flatMap(({ notes = [] }) => notes)])],
    timeline: outcomes.at(-1)?.timeline ?? [],
    versions: outcomes.at(-1)?.versions ?? {},
    measured,
  }
}

function figureOf({ name, unit, decimals, reach }: Figure, outcomes: readonly Outcome[]): FigureResult {
  const values = outcomes.flatMap(({ figures }) => figures[name] ?? [])
  if (values.length === 0) return { name, unit, decimals, values, median: undefined, spread: undefined, reach }
  const middle = median(values)
  const spread = Math.max(...values) - Math.min(...values)
  const met = reach && reaches(middle, reach)
  return { name, unit, decimals, values, median: middle, spread, reach, met }
}

export function reaches(value: number, reach: Reach): boolean {
  return 'atLeast' in reach ? value >= reach.atLeast : value <= reach.atMost
}
