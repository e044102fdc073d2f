import { type Counts, percentileOf } from '../../observe/debug-figures.ts'

/** From the median to the percentile beyond which 100,000 values have one. */
const FROM_NINES = Math.log10(2)
const TO_NINES = 5
/** Of a line of some 500 pixels, one every 4. */
const POINTS = 120

/** Where percentile curves are read: as 1 / (1 − p), so that 2 is the median, 100 is 99 %, and each further nine is as far again. */
export const ONE_IN: readonly number[] = Array.from(
  { length: POINTS },
  (_, i) => 10 ** (FROM_NINES + ((TO_NINES - FROM_NINES) * i) / (POINTS - 1)),
)

/**
 * The latency that one in so many exceeds, for each of `ONE_IN`; null where fewer values than that were counted, for their percentile
 * would be that of the single slowest.
 */
export function curveOf(counts: Counts): Array<number | null> {
  return ONE_IN.map((oneIn) => (counts.count < oneIn ? null : percentileOf(counts, 100 - 100 / oneIn)))
}
