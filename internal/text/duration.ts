import { countText } from './count.ts'
import { threeDigits, UNKNOWN } from './figure.ts'

const UNITS: readonly (readonly [unitMs: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
]

/**
 * `0.4 s`, `12 s`, `3 min`, `5 h`, `12 d`: the largest unit that fits, in whole numbers from 10 s on. A negative age,
 * which a clock that is ahead gives, counts as 0.
 */
export function ageText(ms: number): string {
  if (!Number.isFinite(ms)) return UNKNOWN
  if (ms < 9950) return `${(Math.max(ms, 0) / 1000).toFixed(1)} s`
  const [unitMs, name] = UNITS.find(([size]) => ms >= size)!
  return `${Math.floor(ms / unitMs)} ${name}`
}

/** `840 µs`, `1.25 ms`, `2.5 s`: a latency with the unit that suits it. */
export function latencyText(us: number): string {
  if (us < 999.5) return `${us < 9.5 ? Number(us.toFixed(1)) : Math.round(us)} µs`
  return us < 999_500 ? `${Number(threeDigits(us / 1e3))} ms` : `${Number(threeDigits(us / 1e6))} s`
}

/** `1.25`, `28.4`, `2,592`: a latency in milliseconds, without the unit. Values in one unit are easy to compare. */
export function millisecondsText(us: number | null): string {
  if (us === null) return UNKNOWN
  return us < 999_500 ? threeDigits(us / 1000) : countText(us / 1000)
}
