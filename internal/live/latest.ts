import type { Sample } from '../sample/sample.ts'
import { hasValue } from '../sample/value.ts'

/**
 * Writes a sample into `series.latest`, unless the series has a newer one already.
 *
 * @param afresh first forgets the fields of an older time. Without it, fields of several times get the newest time.
 *   That is right only within one interval: later, a value that is no longer sent (such as a percentile of no values)
 *   would be shown for ever as if it were new.
 * @returns whether the sample was taken
 */
export function keepLatest(sample: Sample, afresh: boolean): boolean {
  const { series, values, at } = sample
  if (at < series.latestAt) return false
  const latest = series.latest
  if (afresh && at > series.latestAt) latest.fill(undefined)
  series.latestAt = at
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (hasValue(value)) latest[i] = value
  }
  return true
}
