import type { LoadResult } from '../../bench/load/load.ts'

/** Seconds at the end of a load that are looked at. */
const LAST = 3
/** One that falls behind by 1 % is 300 ms late after 30 s; one that keeps pace is some milliseconds late, but for a pause now and then. */
const MOST_E2E_US = 250_000
/** Ten times what the slowest batch takes: beyond it the store falls behind. */
const MOST_DURABLE_US = 2_000_000
/**
 * What is not stored half a second after the end was piled up, and a longer load would have piled up more; unless the servers had next to
 * nothing in hand in one of the last seconds. Each few seconds a store writes its memory to files: 150,000 samples wait meanwhile, and where
 * the load ends just then they are no queue.
 */
const MOST_SETTLE_MS = 500
/** What arrives in this time is next to nothing: a batch waits and is written for so long. */
const IN_HAND_MS = 100
const LEAST_PACE = 0.99

/** What is needed of a result. */
export type Played = Pick<
  LoadResult,
  'messages' | 'samples' | 'seconds' | 'settleMs' | 'stored' | 'reportedLost' | 'balance'
> & {
  readonly timeline: ReadonlyArray<Pick<LoadResult['timeline'][number], 'held' | 'spooled' | 'p99'>>
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
  const inHandMs = (Math.min(...last.map(({ held }) => held)) / (samples / seconds)) * 1000
  if (settleMs <= MOST_SETTLE_MS || inHandMs <= IN_HAND_MS) return ''
  return `the store falls behind: it needs ${Math.round(settleMs)} ms more at the end`
}
