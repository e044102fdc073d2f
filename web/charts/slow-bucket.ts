import { bucketFor } from './axis.ts'

/** The API answers with at most 11,000, and some come before the range. */
const MOST_BUCKETS = 10_000
const BUCKETS_OF_INTERVAL = 10

/**
 * The width of a bucket for the history of a row that comes once in an interval, ms. The API tells of a value in which bucket it
 * is, and no more: a rate is the change between two values over the distance of their buckets. In buckets of 15 s a counter
 * that comes every 10 s would change by that of 10 s and of 20 s in turns, so that its rate would be a third too low or too high.
 */
export function slowBucket(rangeMs: number, intervalMs: number): number {
  const fineMs = intervalMs / BUCKETS_OF_INTERVAL
  return fineMs >= rangeMs / MOST_BUCKETS ? Math.ceil(fineMs) : bucketFor(rangeMs, MOST_BUCKETS)
}
