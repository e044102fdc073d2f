/** The milliseconds of each unit of time that a setting can have. */
const TIME_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** The bytes of each unit of size. KiB, MiB and GiB are powers of 1,024; kB, MB and GB of 1,000. */
const SIZE_UNITS = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

type Units = Readonly<Record<string, number>>

/** `250ms`, `10s`, `1.5h`, `7d`, or a plain number of milliseconds. @returns undefined for anything else */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, TIME_UNITS)
}

/**
 * `64MiB`, `500kB`, or a plain number of bytes; upper and lower case are the same.
 *
 * @returns undefined for anything else
 */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, SIZE_UNITS)
}

/**
 * The shortest text that `parseDuration` turns back into the same number: `10s`, `1500ms`. (`internal/text` rounds, for
 * people.)
 */
export function formatDuration(ms: number): string {
  return formatQuantity(ms, TIME_UNITS, 'ms')
}

/** The shortest text that `parseSize` turns back into the same number: `64MiB`, `1000B`. */
export function formatSize(bytes: number): string {
  const { B, KiB, MiB, GiB } = SIZE_UNITS
  return formatQuantity(bytes, { B, KiB, MiB, GiB }, 'B')
}

function parseQuantity(text: string, units: Units): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim()) ?? []
  if (digits === undefined || unit === undefined) return undefined
  if (unit === '') return Number(digits)
  const known = Object.keys(units).find((name) => name.toLowerCase() === unit.toLowerCase())
  return known === undefined ? undefined : Number(digits) * units[known]!
}

function formatQuantity(value: number, units: Units, smallest: string): string {
  let best = smallest
  for (const [name, factor] of Object.entries(units)) {
    if (value >= factor && value % factor === 0 && factor > units[best]!) best = name
  }
  return `${value / units[best]!}${best}`
}
