import type { LoadResult } from '../../bench/load/load.ts'

/** Seconds at the end of a load that are looked at. */
const LAST = 3
/** One that falls behind by 1 % is 300 ms late after 30 s; one that keeps pace is some milliseconds late, but for a pause now and then. */
const MOST_E2E_US = 250_000
/** Ten times what the slowest batch takes: beyond it the store falls behind. */
const MOST_DURABLE_US = 2_000_000
/** What is not stored half a second after the end was piled up, and a longer load would have piled up more. */
const MOST_SETTLE_MS = 500
const LEAST_PACE = 0.99

/** What is needed of a result. */
export type Played = Pick<
  LoadResult,
  'messages' | 'samples' | 'seconds' | 'settleMs' | 'stored' | 'reportedLost' | 'balance'
> & {
  readonly timeline: ReadonlyArray<Pick<LoadResult['timeline'][number], 'spooled' | 'p99'>>
}

/** Why a rate does not hold, in words; '' when it does: all of it is stored, and what is on its way does not pile up. */
export function problemOf(played: Played, ratePerSecond: number): string {
  const { messages, samples, seconds, stored, reportedLost, balance, timeline } = played
  if (balance !== '') return balance
  if (reportedLost > 0 || stored !== samples) return `${samples - stored!} of ${samples} samples are not stored`
  const pace = messages / seconds
  if (pace < ratePerSecond * LEAST_PACE) return `the load generator sends no more than ${Math.round(pace)} a second`
  const last = timeline.slice(-LAST)
  // The best of them: a pause of the machine is in one or two, a queue in all.
  const e2eUs = Math.min(...last.map(({ p99 }) => p99.e2e))
  if (e2eUs > MOST_E2E_US) return `the server falls behind: e2e p99 ${Math.round(e2eUs / 1000)} ms at the end`
  const durableUs = Math.min(...last.map(({ p99 }) => p99.durable))
  if (durableUs > MOST_DURABLE_US) {
    return `the store falls behind: durable p99 ${Math.round(durableUs / 1000)} ms at the end`
  }
  if (last.at(-1)!.spooled > 0) return 'the store falls behind: the server spools'
  const { settleMs } = played
  return settleMs > MOST_SETTLE_MS ? `the store falls behind: it needs ${Math.round(settleMs)} ms more at the end` : ''
}
