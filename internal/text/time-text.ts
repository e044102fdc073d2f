import { isoTime } from './iso-time.ts'

/** µs since the epoch as RFC 3339, with as many digits below a second as there are, as Go writes it: `2025-09-25T10:30:00Z`. */
export function timeText(us: number): string {
  const second = Math.floor(us / 1e6)
  const fraction = `${us - second * 1e6}`.padStart(6, '0').replace(/0+$/, '')
  const whole = isoTime(new Date(second * 1000)).slice(0, 19)
  return `${whole}${fraction === '' ? '' : `.${fraction}`}Z`
}
