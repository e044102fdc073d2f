import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { countText } from '../../internal/text/count.ts'
import type { Format } from './load-types.ts'

/**
 * Where the samples of a measurement are. `ledger` and `stored` are undefined where the servers or the store were not
 * asked.
 */
export interface Whereabouts {
  readonly format: Format
  readonly sent: number
  readonly unreceived: number
  readonly ledger: LedgerCounts | undefined
  readonly stored: number | undefined
}

/** Samples that the sender or the servers report as lost. */
export function reportedLost({ unreceived, ledger, format }: Whereabouts): number {
  if (ledger === undefined) return unreceived
  // `ledger.lost` has trimmed frames already, because servers miss their numbers. Of the other formats each trimmed
  // message is one sample.
  const trimmed = format === 'frame' ? 0 : ledger.trimmed
  return unreceived + refused(ledger) + ledger.lost + trimmed
}

/**
 * Without the samples that the servers made themselves: a server that is full drops those too, but the load did not
 * send them.
 */
function refused({ rejected, dropped, ownDropped }: LedgerCounts): number {
  return rejected + dropped - ownDropped
}

/**
 * '' when every sample is stored or reported lost. Otherwise a sentence that says what is wrong. Where the store was
 * not asked, samples that the servers received count as stored.
 */
export function balance(whereabouts: Whereabouts): string {
  const { format, sent, ledger } = whereabouts
  const arrived = whereabouts.stored ?? (ledger && ledger.received - ledger.own - refused(ledger))
  if (arrived === undefined) return ''
  const lost = reportedLost(whereabouts)
  const missing = sent - arrived - lost
  if (missing === 0) return ''
  const where = whereabouts.stored === undefined ? 'taken in' : 'stored'
  const sum = `${countText(sent)} samples sent, ${countText(arrived)} ${where}, ${countText(lost)} reported lost`
  if (missing < 0) {
    return `${sum}: ${countText(-missing)} too many; does something else publish system_stats, or was a loss reported that did not happen?`
  }
  const held = ledger?.held ?? 0
  if (held > 0)
    return `${sum}: ${countText(missing)} are missing, ${countText(held)} are still held by the servers; does the store answer them?`
  const advice =
    format === 'frame'
      ? 'see the logs of the servers'
      : `${format} messages have no number, so the servers cannot know of a loss on the way; did Redis cut off a server that was too slow?`
  return `${sum}: ${countText(missing)} are missing without a reported reason; ${advice}`
}
