import { ageText } from '../../internal/text/duration.ts'

const twoDigits = (value: number) => String(value).padStart(2, '0')
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `12:00:05`: the local time of day. */
export function timeText(atMs: number, withSeconds = true): string {
  const date = new Date(atMs)
  const minutes = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`
  return withSeconds ? `${minutes}:${twoDigits(date.getSeconds())}` : minutes
}

/** `seen 0.4 s ago`, `stale, seen 3 h ago`: the age of the newest that is known of something. */
export function seenText(ageMs: number, isStale: boolean): string {
  return `${isStale ? 'stale, ' : ''}seen ${ageText(ageMs)} ago`
}

/** `12 s`, `3 min`: how long to wait, rounded up; never 0. */
export function countdownText(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000))
  return seconds < 60 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}

/** `23 Nov`: the local day. */
export function dayText(atMs: number): string {
  const date = new Date(atMs)
  return `${date.getDate()} ${MONTHS[date.getMonth()]}`
}

/** `23 Nov 12:00:05 – 12:01:05`: a window of time. Two moments of one day name it once. */
export function spanText(fromMs: number, toMs: number): string {
  const sameDay = dayText(fromMs) === dayText(toMs)
  const end = sameDay ? timeText(toMs) : `${dayText(toMs)} ${timeText(toMs)}`
  return `${dayText(fromMs)} ${timeText(fromMs)} – ${end}`
}
