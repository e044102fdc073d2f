import type { Series } from './series.ts'
import type { Slot } from './value.ts'

/**
 * The values of one series at one time. Its maker reuses the object: a sample is valid only during the call that hands
 * it over. Copy what you keep.
 */
export interface Sample {
  series: Series
  /** In the order of `series.fieldNames`. It may be shorter: a missing field has no value. */
  values: Slot[]
  /** Microseconds since the Unix epoch, UTC: an integer, exact below 2^53 (until the year 2255). */
  at: number
  /** 0–999, the nanoseconds below `at`. It keeps apart samples that would share a microsecond. */
  tie: number
}

/** Takes a sample, which is valid during the call only. */
export type SampleSink = (sample: Sample) => void
