/** A server rejects what is further ahead, and a store of Prometheus' kind too. */
const MOST_AHEAD_US = 600e6
const MOST_BEHIND_US = 3650 * 86_400e6

/**
 * The time of a row, µs since the epoch, from a number of seconds, milliseconds, microseconds or nanoseconds: their
 * sizes differ by so much that one cannot be another within the next thousand years.
 *
 * @returns undefined for a time that cannot be: more than 10 minutes ahead, or 10 years back
 */
export function rowTimeUs(time: number | bigint, nowUs: number): number | undefined {
  const us = typeof time === 'bigint' ? Number(time / 1000n) : inUs(time)
  return isPossible(us, nowUs) ? us : undefined
}

/** Whether a time of a row can be, both µs since the epoch. */
export function isPossible(us: number, nowUs: number): boolean {
  return us <= nowUs + MOST_AHEAD_US && us >= nowUs - MOST_BEHIND_US
}

function inUs(time: number): number {
  if (time < 1e11) return Math.round(time * 1e6)
  if (time < 1e14) return Math.round(time * 1e3)
  return Math.floor(time < 1e17 ? time : time / 1e3)
}
