import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'

const POLL_MS = 50
/**
 * When the servers hold nothing and have received nothing for this long, nothing more will come. Longer than the 5 s
 * that a server of streams needs to notice what Redis has trimmed.
 */
const QUIET_MS = 6_000
/** When the servers hold something and have neither received nor settled anything for this long, the store is away. */
const STUCK_MS = 30_000

/**
 * How the wait ended. `all`: everything was received and settled. `quiet`: nothing more came. `stuck`: the servers
 * still hold samples.
 */
export type Settled = 'all' | 'quiet' | 'stuck'

export interface SettleOptions {
  /** Samples that were sent since the reading that `ledger` subtracts. */
  readonly expected: number
  /** The counts of the servers since that reading. */
  readonly ledger: () => Promise<LedgerCounts>
  /** Ends the wait. */
  readonly signal: AbortSignal
  readonly onPoll?: (ledger: LedgerCounts) => void
  readonly nowMs?: () => number
  readonly sleep?: (ms: number) => Promise<void>
}

/** Waits until the servers have settled everything, or until it is clear that they will not. */
export async function settle(options: SettleOptions): Promise<Settled> {
  const { expected, ledger, signal, onPoll, nowMs = () => performance.now(), sleep = pause } = options
  let furthest = -1
  let advancedAtMs = nowMs()
  for (;;) {
    const now = await ledger()
    onPoll?.(now)
    const arrived = now.received - now.own
    if (arrived + now.lost >= expected && now.held === 0) return 'all'
    // Without the samples that the servers make themselves, which go on every second. A server receives those before it
    // writes them, so the sum goes up and down; only a new maximum is progress.
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
