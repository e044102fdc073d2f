import type { SampleSink } from '../../sample/sample.ts'
import type { SeriesTable } from '../../sample/series.ts'
import type { FieldKind } from '../../sample/value.ts'
import type { LeftOut } from '../left-out.ts'
import type { ProblemThrottle } from '../source.ts'

/**
 * One measurement of the host, such as `cpu`. When a call throws or rejects, only this measurement has no samples in
 * this tick.
 */
export interface Measurement {
  readonly name: string
  /**
   * Takes the reading that the first tick is compared with. For measurements that are the difference of two readings.
   */
  prime?(): void
  collect(atUs: number, emit: SampleSink): void | Promise<void>
}

/**
 * The reading of `prime` must be this old (ms) before a tick is compared with it. The kernel counts CPU time in
 * hundredths of a second. Over 20 ms a core could only be 0, 50 or 100 % busy; over 100 ms the steps are 10 %, as at
 * the shortest interval that can be set.
 */
export const LEAST_SPAN_MS = 100

/** Where the three trees are. In a container that measures its host they are mounted elsewhere. */
export interface Roots {
  readonly proc: string
  readonly sys: string
  readonly mount: string
}

/** What every measurement needs. */
export interface Surroundings {
  readonly host: string
  readonly table: SeriesTable
  readonly monotonicMs: () => number
  readonly roots: Roots
  readonly problems: ProblemThrottle
  /** Counts what is read and not sent. */
  readonly leftOut: LeftOut
  /** Whether an interface is left out by its name. */
  readonly excludesInterface: (name: string) => boolean
  /** Measurements and fields that this machine does not give → the reason. Measurements add to it. */
  readonly unavailable: Map<string, string>
}

/**
 * What the values of a field can be. A value outside is left out and counted: nobody could tell it from a true one.
 * Without a range a value is at least 0, and a whole one is below 2^63.
 */
export interface Range {
  readonly min?: number
  /** A number, or the field of the same sample that no value of this one exceeds. */
  readonly max?: number | string
}

export const PERCENT: Range = { max: 100 }

/**
 * The fields of a measurement, in the order in which their values are given.
 *
 * Telegraf counts in unsigned 64-bit integers, but writes them as `i` unless `influx_uint_support` is set, because
 * InfluxDB 1.x refuses `u`. So existing databases have `int`, and all our counters are `int`.
 */
export type FieldList = readonly (readonly [name: string, kind: FieldKind, range?: Range])[]

/**
 * `part` as a percentage of `whole`, and undefined for a percentage of nothing: 0 of 0 inodes are neither 0 % nor
 * 100 %. A part above its whole, or below 0, gives a value that is no percentage, which is left out as such.
 */
export function percentOf(part: number, whole: number): number | undefined {
  if (part === whole) return whole === 0 ? undefined : 100
  return (100 * part) / whole
}
