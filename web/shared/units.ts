/** A number made short for the eye, and its unit, which stands small beside it. */
export interface Figure {
  readonly text: string
  readonly unit: string
}

/** Stands where a figure is unknown, which is not the same as zero. */
export const UNKNOWN = '–'

const SI = ['', 'k', 'M', 'G', 'T', 'P', 'E']
const IEC = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

/** At most four characters up to 9,999, so that a column of four digits never changes its width: 9.99, 99.9, 999. */
export function threeDigits(value: number): string {
  const size = Math.abs(value)
  if (size < 9.995) return value.toFixed(2)
  if (size < 99.95) return value.toFixed(1)
  return value.toFixed(0)
}

function scaled(value: number, base: number, prefixes: readonly string[], unit: string): Figure {
  let rest = value
  let power = 0
  // Half a unit below the base already rounds up to it ("1000 B"), so the next prefix begins there.
  while (Math.abs(rest) >= base - 0.5 && power < prefixes.length - 1) {
    rest /= base
    power++
  }
  return { text: power === 0 ? rest.toFixed(0) : threeDigits(rest), unit: `${prefixes[power]}${unit}` }
}

/** Sizes of memory and disks count in powers of 1024, and say so: GiB. */
export function formatBytes(bytes: number): Figure {
  return scaled(bytes, 1024, IEC, 'B')
}

/** Bytes a second, in powers of 1000 as network speeds are: MB/s. */
export function formatRate(bytesPerSecond: number): Figure {
  return scaled(bytesPerSecond, 1000, SI, 'B/s')
}

export function formatPercent(percent: number): Figure {
  return { text: percent >= 99.95 ? percent.toFixed(0) : percent.toFixed(1), unit: '%' }
}

export function formatLoad(load: number): Figure {
  return { text: threeDigits(load), unit: '' }
}

/** Microseconds as milliseconds, the one unit of the pipeline strip, so that its figures can be compared at a glance. */
export function formatLatency(microseconds: number | null): string {
  return microseconds === null ? UNKNOWN : threeDigits(microseconds / 1000)
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

const AGES: readonly (readonly [unitMs: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
]

/** "0.4 s", "12 s", "3 min", "5 h", "12 d". A negative age (a clock ahead of ours) counts as 0. */
export function formatAge(ageMs: number): string {
  if (ageMs < 9950) return `${(Math.max(ageMs, 0) / 1000).toFixed(1)} s`
  const [unitMs, name] = AGES.find(([size]) => ageMs >= size)!
  return `${Math.floor(ageMs / unitMs)} ${name}`
}

const twoDigits = (value: number) => String(value).padStart(2, '0')
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The local time of day, 24 hours. */
export function formatTime(atMs: number, withSeconds = true): string {
  const date = new Date(atMs)
  const minutes = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`
  return withSeconds ? `${minutes}:${twoDigits(date.getSeconds())}` : minutes
}

/** The local day, "23 Nov". */
export function formatDay(atMs: number): string {
  const date = new Date(atMs)
  return `${date.getDate()} ${MONTHS[date.getMonth()]}`
}

/** Two moments as a reader says them: the day is named once when it is the same. */
export function formatSpan(fromMs: number, toMs: number): string {
  const sameDay = formatDay(fromMs) === formatDay(toMs)
  const end = sameDay ? formatTime(toMs) : `${formatDay(toMs)} ${formatTime(toMs)}`
  return `${formatDay(fromMs)} ${formatTime(fromMs)} – ${end}`
}

export type Level = 'ok' | 'warning' | 'critical'

/** The thresholds of every percentage on the page. */
export function levelOf(percent: number): Level {
  if (percent >= 90) return 'critical'
  return percent >= 75 ? 'warning' : 'ok'
}

/** The next round number at or above the value: an axis that moves rarely. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1
  const decade = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.5, 2, 3, 4, 5, 6, 8].find((step) => step * decade >= value) ?? 10) * decade
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 6, 12, 24].map((count) => count * HOUR),
]

/** The width of a bucket, in ms, with which a range takes about one bucket a pixel; never under a second. */
export function bucketFor(rangeMs: number, pixels: number): number {
  const atLeast = rangeMs / Math.max(pixels, 1)
  return STEPS.find((step) => step >= atLeast) ?? Math.ceil(atLeast / (24 * HOUR)) * 24 * HOUR
}
