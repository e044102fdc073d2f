import type { Counts } from '../load/counts.ts'
import { hdrOf } from '../load/hdr.ts'

/** Points between 90 % and 99 %, as between any two nines. On a line of some 500 pixels that is one every 4. */
const POINTS_A_NINE = 24

/**
 * The percentiles p of a curve, as 1 / (1 − p): 2 is the median, 10 is 90 %, 100 is 99 %, up to 100,000. The points are
 * equally far apart on a logarithmic scale.
 */
export const ONE_IN: readonly number[] = [
  2,
  ...Array.from({ length: 5 * POINTS_A_NINE + 1 }, (_, step) => 10 ** (step / POINTS_A_NINE)).filter(
    (oneIn) => oneIn > 2,
  ),
]

/**
 * For each n of `ONE_IN`, the latency that one value in n exceeds. Null if fewer than n values were counted: the single
 * slowest value would decide it.
 */
export function curveOf(counts: Counts): Array<number | null> {
  const histogram = hdrOf(counts)
  return ONE_IN.map((oneIn) => (counts.count < oneIn ? null : histogram.getValueAtPercentile(100 - 100 / oneIn)))
}
