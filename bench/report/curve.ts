import { type Counts, percentileOf } from '../../internal/observe/debug-metrics.ts'

/** Between 90 % and 99 % as between any two nines: of a line of some 500 pixels, one point every 4. */
const POINTS_A_NINE = 24

/**
 * Where percentile curves are read, as 1 / (1 − p): 2 is the median, 100 is 99 %, and each further nine is as far again, up to the
 * percentile beyond which one in 100,000 lies.
 */
export const ONE_IN: readonly number[] = [
  2,
  ...Array.from({ length: 5 * POINTS_A_NINE + 1 }, (_, step) => 10 ** (step / POINTS_A_NINE)).filter(
    (oneIn) => oneIn > 2,
  ),
]

/**
 * The latency that one in so many exceeds, for each of `ONE_IN`; null where fewer values than that were counted, for their percentile
 * would be that of the single slowest.
 */
export function curveOf(counts: Counts): Array<number | null> {
  return ONE_IN.map((oneIn) => (counts.count < oneIn ? null : percentileOf(counts, 100 - 100 / oneIn)))
}
