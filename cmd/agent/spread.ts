import type { Clock } from '../../internal/time/clock.ts'

/** The first tick comes within so long: what a user waits for, and what spreads what starts together. */
const FIRST_TICK_MS = 1000

/** A clock on which the next multiple of the interval is soon, and nowhere else at the same moment. */
export function spread(clock: Clock, intervalMs: number): Clock {
  const firstUs = Math.random() * Math.min(FIRST_TICK_MS, intervalMs) * 1000
  const behindUs = Math.floor(clock.now() + firstUs) % (intervalMs * 1000)
  return { now: () => clock.now() - behindUs }
}
