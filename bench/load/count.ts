import type { CountStored } from './load-types.ts'

const POLL_MS = 500
/**
 * A count that has not changed for this long is final. VictoriaMetrics shows a sample one second after it was written.
 */
const STILL_MS = 4000

export interface CountOptions {
  readonly countStored: CountStored
  readonly range: Parameters<CountStored>[0]
  /** The count ends as soon as it reaches this. */
  readonly expected: number
  readonly signal: AbortSignal
  readonly nowMs?: () => number
  readonly sleep?: (ms: number) => Promise<void>
}

/** Counts until the expected number is there, or the count no longer changes. */
export async function countUntilStill(options: CountOptions): Promise<number> {
  const { countStored, range, expected, signal, nowMs = () => performance.now(), sleep = pause } = options
  let last = -1
  let changedAtMs = nowMs()
  for (;;) {
    const count = await countStored(range, signal)
    if (count === expected) return count
    if (count !== last) {
      last = count
      changedAtMs = nowMs()
    } else if (nowMs() - changedAtMs >= STILL_MS) return count
    await sleep(POLL_MS)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
