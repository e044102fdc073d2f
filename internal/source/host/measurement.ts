import type { SampleSink } from '../../sample/sample.ts'
import type { SeriesTable } from '../../sample/series.ts'
import type { FieldKind } from '../../sample/value.ts'
import type { ProblemThrottle } from '../source.ts'

/**
 * One measurement of the host, such as `cpu`. A call that throws or rejects costs this measurement's samples of the
 * tick, no other's.
 */
export interface Measurement {
  readonly name: string
  /** Takes the reading that the first tick is compared with, for what is the difference of two. */
  prime?(): void
  collect(atUs: number, emit: SampleSink): void | Promise<void>
}

/**
 * A reading taken for the first tick has to be this old (ms) to be compared with; else it waits for the tick after. The
 * kernel counts CPU time in hundredths of a second, so over 20 ms a core could only be 0, 50 or 100 % busy; from here
 * on it is told in steps of 10 %, as it is at the shortest interval that can be set.
 */
export const LEAST_SPAN_MS = 100

/** Where the three trees are. In a container, the host's are mounted somewhere else. */
export interface Roots {
  readonly proc: string
  readonly sys: string
  readonly mount: string
}

/** What every measurement is made with. */
export interface Surroundings {
  readonly host: string
  readonly table: SeriesTable
  readonly monotonicMs: () => number
  readonly roots: Roots
  readonly problems: ProblemThrottle
  /** Figures that are not to be had here, with the reason; measurements add to it. */
  readonly unavailable: Map<string, string>
}

/**
 * The fields of a measurement, in the order in which their values are given.
 *
 * Telegraf counts in unsigned 64-bit integers but writes them as `i` unless `influx_uint_support` is set (InfluxDB 1.x
 * refuses `u`), so what people have in their databases is `int`, and so is all of ours.
 */
export type FieldList = readonly (readonly [name: string, kind: FieldKind])[]
