import { numberText } from '../../internal/text/count.ts'
import type { Format, LoadResult } from '../load/load.ts'
import type { Commit } from './commit.ts'
import type { Machine } from './machine.ts'

/** All that is known of a benchmark: what `report.json` holds, and what `report.html` shows. */
export interface Report {
  /** Of this shape. A reader of an older or a newer one must look at it first. */
  readonly version: 1
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly machine: Machine
  /** `v20.20.1` */
  readonly node: string
  /** Of this package. */
  readonly packageVersion: string
  /** Undefined: not run from a checkout. */
  readonly commit: Commit | undefined
  /** Makes the same again, from the folder of the package. */
  readonly command: string
  /** As they were in the end, defaults included, by their names. */
  readonly settings: Readonly<Record<string, string>>
  readonly stack: {
    /** Of processes of this machine, or containers. */
    readonly kind: 'local' | 'compose'
    /** Of the servers: `{ redis: '7.0.15', influxdb: '1.6.7' }`. */
    readonly versions: Readonly<Record<string, string>>
    /** How the servers were set, where that is not as they come. */
    readonly notes: readonly string[]
  }
  readonly passes: readonly Pass[]
}

/** One load against one stack. */
export interface Pass {
  /** Unlike the others' of the same condition: `ours, packed`. */
  readonly name: string
  /** What was asked of it: `as fast as it can`. Passes under one condition are compared with each other. */
  readonly condition: string
  readonly pipeline: 'ours' | 'baseline' | 'bare'
  readonly format: Format
  /** Server processes that shared the load. */
  readonly serverCount: number
  /** ISO 8601, UTC: when the measurement began, warm-up done. */
  readonly startedAt: string
  readonly load: LoadResult
  /** Taken under the same load once more, which is not counted: figures are those of a server that nobody looks into. */
  readonly profiles: Profiles
}

/** Paths of pprof files, gzipped. In a report that is written they are relative to its folder. */
export interface Profiles {
  readonly cpu: string | undefined
  /** One after the other. The report shows the allocations of the first. */
  readonly heap: readonly string[]
}

/** The condition of a load. @param ratePerSecond messages; undefined is a closed loop */
export function conditionOf(ratePerSecond: number | undefined): string {
  return ratePerSecond === undefined ? 'as fast as it can' : `at ${numberText(ratePerSecond)} messages/s`
}
