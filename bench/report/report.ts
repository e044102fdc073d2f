import { numberText } from '../../internal/text/count.ts'
import type { Format, LoadResult } from '../load/load.ts'
import type { Commit } from './commit.ts'
import type { HistogramFiles } from './histogram-files.ts'
import type { Machine } from './machine.ts'

/** Everything about a benchmark: the content of `report.json`, and what `report.html` shows. */
export interface Report {
  /** The version of this shape. Readers must check it first. */
  readonly version: 1
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly machine: Machine
  /** `v20.20.1` */
  readonly node: string
  /** The version of this package. */
  readonly packageVersion: string
  /** Undefined: not run from a checkout. */
  readonly commit: Commit | undefined
  /** The command that repeats the benchmark, to be run in the folder of the package. */
  readonly command: string
  /** The settings in effect, with defaults, by name. */
  readonly settings: Readonly<Record<string, string>>
  readonly stack: {
    /** Processes of this machine, or containers. */
    readonly kind: 'local' | 'compose'
    /** The versions of Redis and the store: `{ redis: '7.0.15', influxdb: '1.6.7' }`. */
    readonly versions: Readonly<Record<string, string>>
    /** Settings of Redis and the store that are not their defaults. */
    readonly notes: readonly string[]
  }
  readonly passes: readonly Pass[]
}

/** One load against one stack. */
export interface Pass {
  /** Unique among the passes of one condition: `ours, packed`. */
  readonly name: string
  /** The load that it got: `as fast as it can`. Passes under the same condition are compared with each other. */
  readonly condition: string
  readonly pipeline: 'ours' | 'baseline' | 'bare'
  readonly format: Format
  /** Server processes that shared the load. */
  readonly serverCount: number
  /** ISO 8601, UTC: when the measurement began, warm-up done. */
  readonly startedAt: string
  readonly load: LoadResult
  /** Taken while the load ran once more, uncounted: the results come from a server without a profiler. */
  readonly profiles: Profiles
  /** Undefined: not written. */
  readonly histograms: HistogramFiles | undefined
}

/** Paths of gzipped pprof files. In a written report they are relative to its folder. */
export interface Profiles {
  readonly cpu: string | undefined
  /** One after the other. The report shows the allocations of the first. */
  readonly heap: readonly string[]
}

/** The condition of a load. @param ratePerSecond messages; undefined is a closed loop */
export function conditionOf(ratePerSecond: number | undefined): string {
  return ratePerSecond === undefined ? 'as fast as it can' : `at ${numberText(ratePerSecond)} messages/s`
}
