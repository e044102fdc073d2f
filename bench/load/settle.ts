import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'

const POLL_MS = 50
/**
 * Nothing was received for so long, and nothing is held: what is not there yet will not come. Longer than a server of streams takes to see what
 * Redis has trimmed away (5 s).
 */
const QUIET_MS = 6_000
/** Nothing comes and nothing is got rid of for so long, though something is held: the store is away. */
const STUCK_MS = 30_000

/** How the wait for the servers ended: all was received and is in no hands; nothing more came; or they sit on some of it. */
export type Settled = 'all' | 'quiet' | 'stuck'

export interface SettleOptions {
  /** Samples that are on their way or were, since the reading that `ledger` is taken from. */
  readonly expected: number
  /** What came since then. */
  readonly ledger: () => Promise<LedgerCounts>
  /** Gives up the wait. */
  readonly signal: AbortSignal
  readonly onPoll?: (ledger: LedgerCounts) => void
  readonly nowMs?: () => number
  readonly sleep?: (ms: number) => Promise<void>
}

/** Waits until the servers have nothing left to do, or it is plain that they will not do it. */
export async function settle(options: SettleOptions): Promise<Settled> {
  const { expected, ledger, signal, onPoll, nowMs = () => performance.now(), sleep = pause } = options
  let furthest = -1
  let advancedAtMs = nowMs()
  for (;;) {
    const now = await ledger()
    onPoll?.(now)
    const arrived = now.received - now.own
    if (arrived + now.lost >= expected && now.held === 0) return 'all'
    // Without what the servers make themselves: that goes on every second. It is received a moment before it is written, so this goes up and down,
    // and only where it has never been before is it an advance.
    const reached = arrived + now.lost + now.trimmed + now.written + now.rejected + now.dropped - now.own
    if (reached > furthest) {
      furthest = reached
      advancedAtMs = nowMs()
    }
    const quietMs = nowMs() - advancedAtMs
    if (now.held === 0 && quietMs >= QUIET_MS) return 'quiet'
    if (quietMs >= STUCK_MS || signal.aborted) return 'stuck'
    await sleep(POLL_MS)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
