import type { Tag } from './value.ts'

/** Every reason why a sample or message is rejected. Each word is a label of `sentinel_rejected_samples_total`. */
export const REJECT_REASONS = [
  'not_a_message',
  'json_syntax',
  'json_shape',
  'packed_size',
  'frame_version',
  'frame_truncated',
  'frame_malformed',
  'too_large',
  'bad_name',
  'reserved_name',
  'too_many_tags',
  'duplicate_tag',
  'too_many_fields',
  'too_many_series',
  'field_type',
  'no_fields',
  'time_too_old',
  'time_in_future',
  'store_refused',
  'line_syntax',
  'not_a_number',
  'out_of_range',
  'no_gpu',
  'row_syntax',
  'time_syntax',
  'value_conflict',
  'poison',
] as const
export type RejectReason = (typeof REJECT_REASONS)[number]

/** A reason, and the value with the rule that it breaks, in words for the log. */
export interface Refusal {
  readonly reason: RejectReason
  readonly detail: string
}

export function isRefusal(value: object | number): value is Refusal {
  return typeof value === 'object' && 'reason' in value
}

/**
 * Bytes of UTF-8. InfluxDB refuses a series key (measurement and tags) over 65,535 bytes, so it also bounds what 64
 * tags may take.
 */
export const MAX_NAME_BYTES = 256
export const MAX_TAG_VALUE_BYTES = 1024
export const MAX_TAGS = 64
/** The largest string field, bytes of UTF-8: the bound of InfluxDB. */
export const MAX_STRING_BYTES = 65_535

/**
 * InfluxDB answers 400 to a line that has one of the first three as a tag key. It stores the others, which are Flux's own columns:
 * over a measurement with a tag `_time` or `_value` every Flux query fails ("a panic has occurred"), and `range()` overwrites the last two.
 */
const RESERVED_TAG_KEYS = new Set(['time', '_field', '_measurement', '_time', '_value', '_start', '_stop'])

/** Whether no store takes a tag of this name, or cannot be asked for it afterwards. */
export function isReservedTagKey(key: string): boolean {
  return RESERVED_TAG_KEYS.has(key)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for control characters
const UNCLEAN = /[\u0000-\u001f\u007f]|\\$|\\(?=[,= "])|[\ud800-\udfff]/

/**
 * The text of a name, a tag key or a tag value as every store keeps it:
 * - line breaks and tabs become the two characters `\n`, `\r`, `\t`, and other control characters are removed;
 * - a backslash is removed where line protocol would take it for an escape: at the end, and before a comma, an equals
 *   sign, a space or a quote;
 * - a lone surrogate becomes U+FFFD.
 */
export function cleanText(text: string): string {
  return UNCLEAN.test(text) ? thoroughlyClean(text) : text
}

function thoroughlyClean(text: string): string {
  return (
    text
      .toWellFormed()
      .replaceAll('\n', '\\n')
      .replaceAll('\r', '\\r')
      .replaceAll('\t', '\\t')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: it removes control characters
      .replace(/[\u0000-\u001f\u007f]/g, '')
      // Only tried at the first backslash of several: else a long row of them would take quadratic time.
      .replace(/(?<!\\)\\+(?=[,= "]|$)/g, '')
  )
}

/** Why a store would refuse a series, found before it is sent. */
export function refuseSeries(measurement: string, tags: readonly Tag[]): Refusal | undefined {
  const badMeasurement = refuseName('measurement', measurement)
  if (badMeasurement !== undefined) return badMeasurement
  if (measurement.startsWith('#'))
    return { reason: 'bad_name', detail: `measurement ${quote(measurement)} begins a comment` }
  if (tags.length > MAX_TAGS) return { reason: 'too_many_tags', detail: `${tags.length} tags, at most ${MAX_TAGS}` }
  let before: string | undefined
  for (const [key, value] of tags) {
    const badKey = refuseName('tag key', key)
    if (badKey !== undefined) return badKey
    if (isReservedTagKey(key)) return { reason: 'reserved_name', detail: `tag key ${quote(key)} is reserved` }
    if (key === before) return { reason: 'duplicate_tag', detail: `tag ${quote(key)} stands twice` }
    if (Buffer.byteLength(value) > MAX_TAG_VALUE_BYTES) {
      return { reason: 'bad_name', detail: `the value of tag ${quote(key)} is over ${MAX_TAG_VALUE_BYTES} bytes` }
    }
    before = key
  }
  return undefined
}

export function refuseFieldName(name: string): Refusal | undefined {
  if (name === 'time') return { reason: 'reserved_name', detail: 'a field named "time" vanishes in InfluxDB' }
  return refuseName('field', name)
}

function refuseName(what: string, name: string): Refusal | undefined {
  if (name === '') return { reason: 'bad_name', detail: `an empty ${what}` }
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    return { reason: 'bad_name', detail: `${what} ${quote(name)} is over ${MAX_NAME_BYTES} bytes` }
  }
  return undefined
}

/** Bounds on a sample's time, µs before and after its arrival. */
export interface TimeWindow {
  readonly maxAgeUs: number
  readonly maxFutureUs: number
}

/** Refuses a time that is far off: a sample from next year would stay the newest reading for a year. */
export function refuseTime(at: number, nowUs: number, window: TimeWindow): Refusal | undefined {
  if (at > nowUs + window.maxFutureUs) {
    return { reason: 'time_in_future', detail: `${describeTime(at)} is more than ${window.maxFutureUs / 1e6} s ahead` }
  }
  if (!(at >= nowUs - window.maxAgeUs)) {
    return { reason: 'time_too_old', detail: `${describeTime(at)} is more than ${window.maxAgeUs / 86_400e6} days ago` }
  }
  return undefined
}

function describeTime(at: number): string {
  const date = new Date(at / 1000)
  return Number.isNaN(date.getTime()) ? `time ${at} µs` : date.toISOString()
}

/** A value for a log line: quoted, escaped, and cut to 80 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
