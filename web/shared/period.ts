/** A stretch of time, ms since the epoch. */
export interface TimeWindow {
  readonly fromMs: number
  readonly toMs: number
}

/** The ranges of the top bar, in the order of the keys 1 to 5. */
export const RANGES = [
  { name: '5m', ms: 300_000 },
  { name: '1h', ms: 3_600_000 },
  { name: '6h', ms: 21_600_000 },
  { name: '24h', ms: 86_400_000 },
  { name: '7d', ms: 604_800_000 },
] as const

export type RangeName = (typeof RANGES)[number]['name']

/** The time that the page shows: a range that ends now and slides, or a window of the past that stands still. */
export type Period = { readonly range: RangeName } | TimeWindow

/** Whether the period ends now, so that live samples continue its history. */
export function isLive(period: Period): period is { readonly range: RangeName } {
  return 'range' in period
}

/** The length of a period, ms. */
export function lengthOf(period: Period): number {
  if (isLive(period)) return RANGES.find(({ name }) => name === period.range)!.ms
  return period.toMs - period.fromMs
}
