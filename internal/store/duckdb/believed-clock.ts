import { ageText } from '../../text/duration.ts'
import type { Clock } from '../../time/clock.ts'
import { DAY_US } from './catalogue.ts'

/** What the file remembers of the clock. */
export interface ClockRecord {
  /** The newest moment at which the clock was believed, µs. */
  readonly believedUs: number
  /** For how long processes have run since then with a clock that contradicts it, ms. */
  readonly doubtedMs: number
}

/** A clock that has gone on for at most this long since it was believed last is believed again: a weekend is in doubt. */
const BELIEVED_GAP_US = DAY_US
/** After so much running time a clock that still contradicts the file is believed: the machine was off, or was wrong before. */
const BELIEVED_AFTER_MS = 86_400_000

export interface BelievedClockOptions {
  readonly clock: Clock
  readonly record: ClockRecord
  /** Monotonic time, ms. */
  readonly monotonicMs?: (() => number) | undefined
}

/**
 * The clock by which samples become too old. One start with the clock 30 days ahead would drop the whole history, and
 * nothing brings it back. So a clock that is more than a day away from where it was last is in doubt. While it is ahead,
 * the time stands still here, and nothing becomes too old. A clock that is behind makes too little too old, which harms
 * nothing.
 *
 * A machine that was off for a month looks the same. So a doubt ends after a day of running time, over restarts, and at
 * once when the clock is right again. Samples from the future do not count: one host with a wrong clock neither keeps
 * old days for ever, nor drops them.
 */
export class BelievedClock implements Clock {
  readonly #clock: Clock
  readonly #monotonicMs: () => number
  #believedUs: number
  #doubtedMs: number
  #checkedMs: number

  constructor({ clock, record, monotonicMs = () => performance.now() }: BelievedClockOptions) {
    this.#clock = clock
    this.#monotonicMs = monotonicMs
    this.#believedUs = record.believedUs
    this.#doubtedMs = record.doubtedMs
    this.#checkedMs = monotonicMs()
  }

  /** µs since the epoch: the time of the clock, or of its last believed moment while it is ahead of that. */
  now(): number {
    const now = this.#clock.now()
    return now - this.#believedUs > BELIEVED_GAP_US ? this.#believedUs : now
  }

  get record(): ClockRecord {
    return { believedUs: this.#believedUs, doubtedMs: this.#doubtedMs }
  }

  /** How the clock contradicts what the file remembers, in words; '' while it agrees. */
  get problem(): string {
    const aheadUs = this.#clock.now() - this.#believedUs
    if (Math.abs(aheadUs) <= BELIEVED_GAP_US) return ''
    const away = `${ageText(Math.abs(aheadUs) / 1000)} ${aheadUs > 0 ? 'after' : 'before'}`
    return `the clock of this machine says ${timeOf(this.#clock.now())}, ${away} the newest moment in the history (${timeOf(this.#believedUs)})`
  }

  /** Believes a clock that agrees, or that has contradicted for long enough. To be called now and then. */
  check(): void {
    const nowMs = this.#monotonicMs()
    const agrees = Math.abs(this.#clock.now() - this.#believedUs) <= BELIEVED_GAP_US
    this.#doubtedMs = agrees ? 0 : this.#doubtedMs + nowMs - this.#checkedMs
    this.#checkedMs = nowMs
    if (!agrees && this.#doubtedMs < BELIEVED_AFTER_MS) return
    this.#believedUs = this.#clock.now()
    this.#doubtedMs = 0
  }
}

/**
 * The record of a file that has none yet: its newest sample that is not in the future. If all are, the clock may be
 * years behind, and the newest of them counts.
 */
export function firstRecord(newestAtUs: Iterable<number>, nowUs: number): ClockRecord {
  const known = [...newestAtUs].filter(Number.isFinite)
  const past = known.filter((at) => at <= nowUs + BELIEVED_GAP_US)
  const of = past.length > 0 ? past : known
  return { believedUs: of.reduce((newest, at) => Math.max(newest, at), of[0] ?? nowUs), doubtedMs: 0 }
}

function timeOf(us: number): string {
  return new Date(us / 1000).toISOString()
}
