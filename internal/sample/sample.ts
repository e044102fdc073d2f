import type { Series } from './series.ts'
import type { Slot } from './value.ts'

/**
 * One reading of one series. Samples are reused by whoever makes them: one is valid only during the call that hands it
 * over, and whoever wants to keep something of it copies that.
 */
export interface Sample {
  series: Series
  /** In the order of `series.fieldNames`; may be shorter than that, what is missing has no value. */
  values: Slot[]
  /** Microseconds since the Unix epoch, UTC: an integer, exact below 2^53 (until the year 2255). */
  at: number
  /** 0–999, the nanoseconds below `at`: keeps legacy messages apart that share a microsecond. */
  tie: number
}

/** Takes a sample for the time of the call. */
export type SampleSink = (sample: Sample) => void
