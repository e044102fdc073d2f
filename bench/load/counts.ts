import type { Histogram } from '../../internal/observe/histogram.ts'

/**
 * A histogram as `report.json` has it. A bucket is the largest value that falls into it and its count; empty buckets
 * are left out. Ascending.
 */
export interface Counts {
  readonly count: number
  readonly sum: number
  readonly max: number
  readonly buckets: ReadonlyArray<readonly [value: number, count: number]>
}

export function countsOf(histogram: Histogram): Counts {
  return { count: histogram.count, sum: histogram.sum, max: histogram.max, buckets: [...histogram.buckets()] }
}

/** The sum of the counts of several servers or threads. */
export function merge(all: readonly Counts[]): Counts {
  const buckets = new Map<number, number>()
  for (const counts of all) {
    for (const [value, count] of counts.buckets) buckets.set(value, (buckets.get(value) ?? 0) + count)
  }
  return {
    count: all.reduce((sum, { count }) => sum + count, 0),
    sum: all.reduce((sum, counts) => sum + counts.sum, 0),
    max: all.reduce((most, { max }) => Math.max(most, max), 0),
    buckets: [...buckets].sort(([a], [b]) => a - b),
  }
}

/**
 * What was counted between two readings of one histogram. Exact except for `max`, which is known by its bucket only and
 * can be too high by one part in a thousand.
 *
 * @throws Error when the later reading has less than the earlier one, because the process was restarted
 */
export function subtract(later: Counts, earlier: Counts): Counts {
  const left = new Map(later.buckets)
  for (const [value, count] of earlier.buckets) {
    const rest = (left.get(value) ?? 0) - count
    if (rest < 0) throw new Error('the later counts are smaller than the earlier ones: the process was restarted')
    if (rest === 0) left.delete(value)
    else left.set(value, rest)
  }
  const buckets = [...left]
  return {
    count: later.count - earlier.count,
    sum: later.sum - earlier.sum,
    max: buckets.at(-1)?.[0] ?? 0,
    buckets,
  }
}
