/** The next round number at or above the value, for the end of an axis that moves rarely. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1
  const decade = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.5, 2, 3, 4, 5, 6, 8].find((step) => step * decade >= value) ?? 10) * decade
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 6, 12, 24].map((count) => count * HOUR),
]

/** The width of a bucket, ms, that gives a range about one bucket a pixel. It is a second or more. */
export function bucketFor(rangeMs: number, pixels: number): number {
  const atLeast = rangeMs / Math.max(pixels, 1)
  return STEPS.find((step) => step >= atLeast) ?? Math.ceil(atLeast / (24 * HOUR)) * 24 * HOUR
}
