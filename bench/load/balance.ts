import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import type { Format } from './load-types.ts'

/** Where the samples of a measurement are; undefined: nobody was asked. */
export interface Whereabouts {
  readonly format: Format
  readonly sent: number
  readonly unreceived: number
  readonly ledger: LedgerCounts | undefined
  readonly stored: number | undefined
}

/** Samples of which somebody says that they are lost. */
export function reportedLost({ unreceived, ledger, format }: Whereabouts): number {
  if (ledger === undefined) return unreceived
  // The frames among them are missed by their numbers; of the other formats each is one sample.
  const trimmed = format === 'frame' ? 0 : ledger.trimmed
  return unreceived + refused(ledger) + ledger.lost + trimmed
}

/** A server that is at its limit drops its own figures too: nobody sent those. */
function refused({ rejected, dropped, ownDropped }: LedgerCounts): number {
  return rejected + dropped - ownDropped
}

/** '' when all samples are stored or reported lost; otherwise what is wrong. Where the store was not asked, what the servers took in counts. */
export function balance(whereabouts: Whereabouts): string {
  const { format, sent, ledger } = whereabouts
  const arrived = whereabouts.stored ?? (ledger && ledger.received - ledger.own - refused(ledger))
  if (arrived === undefined) return ''
  const lost = reportedLost(whereabouts)
  const missing = sent - arrived - lost
  if (missing === 0) return ''
  const where = whereabouts.stored === undefined ? 'taken in' : 'stored'
  const sum = `${n(sent)} samples sent, ${n(arrived)} ${where}, ${n(lost)} reported lost`
  if (missing < 0) {
    return `${sum}: ${n(-missing)} too many; does something else publish system_stats, or was a loss reported that was none?`
  }
  const held = ledger?.held ?? 0
  if (held > 0)
    return `${sum}: ${n(missing)} are missing, ${n(held)} are still in the servers' hands; does the store answer them?`
  const advice =
    format === 'frame'
      ? 'see the logs of the servers'
      : `${format} messages have no number, so the servers cannot know of a loss on the way; did Redis cut off a server that was too slow?`
  return `${sum}: ${n(missing)} are missing and nobody says why; ${advice}`
}

function n(count: number): string {
  return count.toLocaleString('en-US')
}
