/** `99.9 %`: all but the slowest one in so many. */
export function percentileText(oneIn: number): string {
  const decimals = Math.max(Math.ceil(Math.log10(oneIn)) - 1, 0)
  return `${Number((100 - 100 / oneIn).toFixed(decimals))} %`
}

/** `12.4k`: counts on an axis. */
export function shortCount(count: number): string {
  if (count < 1000) return String(Number(count.toFixed(1)))
  return count < 1e6 ? `${Number((count / 1e3).toFixed(1))}k` : `${Number((count / 1e6).toFixed(2))}M`
}

export function shareText(share: number): string {
  return `${(share * 100).toFixed(share < 0.0995 ? 2 : 1)} %`
}
