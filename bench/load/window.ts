import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'

/** Closed loop: how many messages the senders may be ahead of the servers. With more, Redis cuts off a server that is slow. */
export const WINDOW = 20_000
/**
 * Samples in the servers' hands, in memory and on disk, that hold nobody up: at 200,000 a second those of a quarter of a second, where a batch
 * takes some 50 ms. With any number of them a closed loop would find how fast a server can take samples in, however few it gets stored.
 */
const IN_HANDS = 50_000

/** How many messages of a closed loop count as done: those that came to the servers, less what these cannot get rid of. */
export function doneOf(ledger: Pick<LedgerCounts, 'messages' | 'held'>, samplesPerMessage: number): number {
  const tooMany = Math.max(0, ledger.held - IN_HANDS)
  return ledger.messages - Math.ceil(tooMany / samplesPerMessage)
}
