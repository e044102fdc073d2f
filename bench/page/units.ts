/** `99.9 %`: the share of all but the slowest one in `oneIn`. */
export function percentileText(oneIn: number): string {
  const decimals = Math.max(Math.ceil(Math.log10(oneIn)) - 1, 0)
  return `${Number((100 - 100 / oneIn).toFixed(decimals))} %`
}

/** `12.4k`: counts on an axis. */
export function shortCount(count: number): string {
  if (count < 1000) return String(Number(count.toFixed(1)))
  return count < 1e6 ? `${Number((count / 1e3).toFixed(1))}k` : `${Number((count / 1e6).toFixed(2))}M`
}

/** `3.12 %`, `10.0 %`: a share of 1. */
export function shareText(share: number): string {
  return `${(share * 100).toFixed(share < 0.0995 ? 2 : 1)} %`
}
