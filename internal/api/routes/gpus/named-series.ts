import { bySeries, type HistoryPoint, type HistorySeries } from '../../../store/store.ts'
import { inUnit, type Naming } from './points.ts'

/** The measurement of all figures of GPUs. */
export const GPU = 'gpu'

/**
 * Histories under the names and in the units that are asked for, naming by naming. Every unit is a positive multiple of ours, so means and
 * percentiles keep their meaning. Where a metric has several fields, the first one that has a value in a bucket gives it.
 */
export function namedSeries(series: readonly HistorySeries[], namings: readonly Naming[]): HistorySeries[] {
  return namings.flatMap((naming) => {
    const { fields } = naming
    const named = (
      fields === undefined ? series : fields.flatMap((field) => series.filter((one) => one.field === field))
    ).map(({ field, tags, points }): HistorySeries => {
      const { name, convert } = naming.of(field)
      return { field: name, tags, points: points.map(([at, value]) => [at, inUnit(value, convert)]) }
    })
    return fields === undefined ? named : merged(named)
  })
}

/** One series for each set of tags. */
function merged(series: readonly HistorySeries[]): HistorySeries[] {
  const bySet = new Map<string, HistorySeries>()
  for (const one of series) {
    const key = JSON.stringify(Object.entries(one.tags).sort())
    const before = bySet.get(key)
    bySet.set(key, before === undefined ? one : { ...before, points: together(before.points, one.points) })
  }
  return [...bySet.values()].sort(bySeries)
}

/** The points of both, the first ones where both have one. */
function together(first: readonly HistoryPoint[], second: readonly HistoryPoint[]): HistoryPoint[] {
  return [...new Map([...second, ...first].map((point) => [point[0], point])).values()].sort(([a], [b]) => a - b)
}
