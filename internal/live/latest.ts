import type { Sample } from '../sample/sample.ts'
import type { Series } from '../sample/series.ts'

/** How far a time may be from the clock, or from the pace of its series, to be that of a sample made just now, µs. */
const NEAR_US = 10e6
/** A time that goes back by less is that of an older sample, µs. */
const SET_BACK_US = 5e6
/** How long a series must keep another pace until it is believed, µs. */
const PROOF_US = 10e6

/**
 * Whether a sample is news: made just now, and not an old one that comes from an outbox, a stream or a replay. Its time
 * alone cannot tell, because a host whose clock is five minutes behind sends such times too. So it is news where its
 * time is near this machine's clock, or goes on at the pace of its series: a second later by its own clock, a second
 * later here. Old samples come in bursts, a hundred seconds of them in one.
 *
 * A pace that is new is believed after ten seconds, and only where nothing nearer arrives meanwhile: a clock that was
 * set wrong shows within these. One that is set right counts at once, though its times go back.
 *
 * On the hot path: no allocation.
 *
 * @param nowUs by this machine's clock
 * @param monotonicUs by a timer that nobody sets
 */
export function isNews(series: Series, at: number, nowUs: number, monotonicUs: number): boolean {
  const pace = at - monotonicUs
  if (Math.abs(at - nowUs) <= NEAR_US || Math.abs(pace - series.pace) <= NEAR_US) {
    if (at >= series.latestAt) return true
    // An older sample of the same clock, or the clock was set right.
    return series.latestAt - at > SET_BACK_US && Math.abs(at - nowUs) < Math.abs(series.pace + monotonicUs - nowUs)
  }
  // NaN, before there is one, fails the comparison.
  if (!(Math.abs(pace - series.newPace) <= NEAR_US)) {
    series.newPace = pace
    series.newPaceSinceUs = monotonicUs
    return false
  }
  return monotonicUs - series.newPaceSinceUs >= PROOF_US && monotonicUs - series.arrivedUs >= NEAR_US
}

/**
 * Makes a sample the latest of its series.
 *
 * @param afresh first forgets the fields of another time. Without it, fields of several times get the newest time.
 *   That is right only within one interval: later, a value that is no longer sent (such as a percentile of no values)
 *   would be shown for ever as if it were new.
 * @param monotonicUs when it arrived
 */
export function keepLatest({ series, values, at }: Sample, afresh: boolean, monotonicUs: number): void {
  if (afresh && at !== series.latestAt) series.forgetLatest()
  series.latestAt = at
  series.arrivedUs = monotonicUs
  series.keepLatest(values)
}
