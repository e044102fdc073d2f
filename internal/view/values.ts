import type { LiveSeries } from '../live/live-series.ts'
import type { Slot } from '../sample/value.ts'

/** The newest value of a field; undefined where the series, or the field, is not there. */
export function fieldOf(live: LiveSeries | undefined, field: string): Slot {
  return live?.series.latest(live.series.indexOf(field))
}

/** Null where the value is no number. */
export function numberOf(live: LiveSeries | undefined, field: string): number | null {
  const value = fieldOf(live, field)
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null
}

/** Null where the value is no text. */
export function textOf(live: LiveSeries | undefined, field: string): string | null {
  const value = fieldOf(live, field)
  return typeof value === 'string' ? value : null
}
