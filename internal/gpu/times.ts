/** A time as samples have it: integer µs since the epoch, and the nanoseconds below. */
export interface ReadTime {
  readonly atUs: number
  readonly tie: number
}

const EPOCH = /^(\d{1,19})(?:\.(\d{1,9})\d*)?$/
const CALENDAR =
  /^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)? ?(Z|UTC|[+-]\d\d:?\d\d)?$/i
/** From so many digits on, a number is in milliseconds, in microseconds and in nanoseconds: one that is not is of the year 5138. */
const [MS_DIGITS, US_DIGITS, NS_DIGITS] = [12, 15, 18]

/**
 * The time in a text: `2025-07-18T20:42:34Z` with any fraction and zone (UTC where it has none), or a number of seconds,
 * milliseconds, microseconds or nanoseconds since the epoch. Undefined where it is none of these.
 */
export function readTime(text: string): ReadTime | undefined {
  const epoch = EPOCH.exec(text)
  if (epoch !== null) return ofEpoch(epoch[1]!, epoch[2] ?? '')
  const calendar = CALENDAR.exec(text)
  return calendar === null ? undefined : ofCalendar(calendar)
}

function ofEpoch(whole: string, fraction: string): ReadTime | undefined {
  const shift = whole.length < MS_DIGITS ? 9 : whole.length < US_DIGITS ? 6 : whole.length < NS_DIGITS ? 3 : 0
  return ofNs(BigInt(whole + fraction.padEnd(shift, '0').slice(0, shift)))
}

function ofCalendar([, ...parts]: RegExpExecArray): ReadTime | undefined {
  const [year, month, day, hour, minute, second = 0] = parts
    .slice(0, 6)
    .map((part) => (part ? Number(part) : undefined))
  const [fraction = '', zone = 'Z'] = parts.slice(6)
  const ms = Date.UTC(year!, month! - 1, day, hour, minute, second)
  const date = new Date(ms)
  // Date.UTC takes the 31st of June for the 1st of July.
  if (
    date.getUTCMonth() !== month! - 1 ||
    date.getUTCDate() !== day ||
    date.getUTCHours() !== hour ||
    minute! > 59 ||
    second > 59
  )
    return undefined
  const sign = zone.startsWith('-') ? -1 : 1
  const [hours = 0, minutes = 0] = /\d/.test(zone) ? [Number(zone.slice(1, 3)), Number(zone.slice(-2))] : []
  const offsetMs = sign * (hours * 60 + minutes) * 60_000
  return ofNs(BigInt(ms - offsetMs) * 1_000_000n + BigInt(fraction.padEnd(9, '0')))
}

function ofNs(ns: bigint): ReadTime | undefined {
  const atUs = Number(ns / 1000n)
  return ns >= 0n && Number.isSafeInteger(atUs) ? { atUs, tie: Number(ns % 1000n) } : undefined
}
