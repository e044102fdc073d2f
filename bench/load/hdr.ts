import { build, type Histogram as Hdr, JsHistogram } from 'hdr-histogram-js'
import type { EncodedHistogram } from '../../internal/observe/debug-metrics.ts'
import type { Counts } from './counts.ts'

/** Of an HdrHistogram; `Histogram` records in the same buckets. */
const LAYOUT = {
  highestTrackableValue: 2 ** 32 - 1,
  numberOfSignificantValueDigits: 3,
  // Counts of 32 bits would overflow unnoticed.
  bitBucketSize: 64,
} as const

/** The types of the library leave it out. */
const { decode } = JsHistogram as unknown as { decode(data: Uint8Array, bitBucketSize: 64): JsHistogram }

/** The counts of a server. */
export function decodeCounts({ count, sum, max, hdr }: EncodedHistogram): Counts {
  const decoded = decode(Buffer.from(hdr, 'base64'), LAYOUT.bitBucketSize)
  const buckets: Array<[number, number]> = []
  for (let index = 0; index < decoded.countsArrayLength; index++) {
    const inBucket = decoded.getCountAtIndex(index)
    if (inBucket > 0) buckets.push([decoded.highestEquivalentValue(decoded.valueFromIndex(index)), inBucket])
  }
  return { count, sum, max, buckets }
}

/** The same values as an HdrHistogram: every percentile of a report is one of these, and so are its files. */
export function hdrOf(counts: Counts): Hdr {
  const histogram = build(LAYOUT)
  for (const [value, count] of counts.buckets) histogram.recordValueWithCount(value, count)
  return histogram
}

/** The value that `percentile` percent of all values are at or below: the largest of its bucket. 0 when there are none. */
export function percentileOf(counts: Counts, percentile: number): number {
  return hdrOf(counts).getValueAtPercentile(percentile)
}
