/** The range of what a map shows. */
export interface Scale {
  readonly low: number
  readonly high: number
}

/** Shades between the lightest and the darkest: more than an eye tells apart. */
export const SHADES = 32

/** The range of the values that there are; null where there is none. */
export function scaleOf(values: Iterable<number | null>): Scale | null {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (value === null) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return low <= high ? { low, high } : null
}

/** The shade of a value, 0 to SHADES − 1. Where all values are the same, that is the lightest: nothing stands out. */
export function shadeOf(value: number, { low, high }: Scale): number {
  // Halved, so that the difference of two values is finite whatever they are.
  const part = high === low ? 0 : (value / 2 - low / 2) / (high / 2 - low / 2)
  return Math.min(SHADES - 1, Math.floor(part * SHADES))
}

/** The colours of all shades, between two colours as `rgb(1, 2, 3)`. */
export function shadesBetween(lightest: string, darkest: string): string[] {
  const [from, to] = [channelsOf(lightest), channelsOf(darkest)]
  return Array.from({ length: SHADES }, (_, shade) => {
    const part = shade / (SHADES - 1)
    return `rgb(${from.map((channel, i) => Math.round(channel + (to[i]! - channel) * part)).join(', ')})`
  })
}

function channelsOf(colour: string): number[] {
  return (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number)
}
