/** Readings that are kept, a second apart: half a minute is a whole number of most intervals (1, 2, 3, 5, 6, 10, 15, 30 s). */
const KEPT = 40
/** So many of the newest, and of the oldest, are one end of the time that is measured. */
const END = 10

/**
 * How fast a count grows, where it grows in bursts. Agents send every few seconds, all at the same moment, just before or just after a count is
 * read. So the rate is measured over half a minute, from the mean of some readings to the mean of others: a burst on the edge counts by a tenth.
 */
export class SteadyRate {
  readonly #readings: { readonly count: number; readonly atMs: number }[] = []

  /** @param atMs monotonic time, ms. @returns the growth a second; 0 before the second reading */
  read(count: number, atMs: number): number {
    const readings = this.#readings
    readings.push({ count, atMs })
    if (readings.length > KEPT) readings.shift()
    // While there are few, each end is a quarter of them, as it is of all.
    const end = Math.max(1, Math.floor((readings.length * END) / KEPT))
    const [first, last] = [meanOf(readings.slice(0, end)), meanOf(readings.slice(-end))]
    return last.atMs === first.atMs ? 0 : ((last.count - first.count) * 1000) / (last.atMs - first.atMs)
  }
}

function meanOf(readings: readonly { readonly count: number; readonly atMs: number }[]) {
  const sum = readings.reduce((a, b) => ({ count: a.count + b.count, atMs: a.atMs + b.atMs }), { count: 0, atMs: 0 })
  return { count: sum.count / readings.length, atMs: sum.atMs / readings.length }
}
