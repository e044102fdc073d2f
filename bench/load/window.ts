import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'

/**
 * Closed loop: how many messages the senders may be ahead of the servers. With more, Redis disconnects a slow server.
 */
export const WINDOW = 20_000
/**
 * Samples that the servers may hold, in memory and on disk, without slowing the senders. At 200,000 a second this is a
 * quarter of a second; a batch takes some 50 ms. Without a limit a closed loop would measure how fast a server receives
 * samples, not how fast it stores them.
 */
const IN_HANDS = 50_000

/**
 * How many messages of a closed loop count as done: those that the servers received, less what they hold beyond the
 * limit.
 */
export function doneOf(ledger: Pick<LedgerCounts, 'messages' | 'held'>, samplesPerMessage: number): number {
  const tooMany = Math.max(0, ledger.held - IN_HANDS)
  return ledger.messages - Math.ceil(tooMany / samplesPerMessage)
}
