import { ParameterError } from '../../http/errors.ts'
import { cleanText } from '../../sample/border.ts'
import type { Aggregate, HistoryQuery } from '../../store/store.ts'
import { escapeName, otherPairs, parseNames, parsePair } from '../names.ts'

export const AGGREGATES = ['mean', 'min', 'max', 'last', 'p50', 'p90', 'p99'] as const satisfies readonly Aggregate[]
export const MAX_FIELDS_ASKED = 32
export const MAX_TAGS_ASKED = 8
/** A series of so many points is about 250 kB of JSON. Prometheus has the same limit. */
export const MAX_BUCKETS = 11_000
/** Each costs a query that finds nothing or refuses the request. */
const MAX_OTHER_READINGS = 16

/** The parameters of a history as the URL has them. */
export interface HistoryParams {
  readonly measurement: string
  readonly field: string
  readonly start?: string
  readonly end?: string
  readonly every?: string
  readonly aggregate?: Aggregate
  readonly tag?: readonly string[]
}

/**
 * @param named the tags that the path names, such as the host
 * @throws ParameterError that names the first parameter that cannot be used
 */
export function parseHistoryParams(
  named: Readonly<Record<string, string>>,
  params: HistoryParams,
  nowUs: number,
): HistoryQuery {
  const startUs = parseTime('start', params.start ?? '-5m', nowUs)
  const endUs = parseTime('end', params.end ?? 'now', nowUs)
  if (startUs >= endUs) throw new ParameterError('start', 'start must be before end')
  const everyUs = params.every === undefined ? friendlyStep(endUs - startUs) : parseDuration('every', params.every)
  const buckets = Math.ceil((endUs - startUs) / everyUs)
  if (buckets > MAX_BUCKETS) {
    throw new ParameterError(
      'every',
      `the range has ${buckets} buckets of this length; at most ${MAX_BUCKETS} are allowed`,
    )
  }
  return {
    measurement: parseMeasurement(params.measurement),
    fields: parseFields(params.field),
    tags: { ...parseTags(params.tag ?? [], named), ...named },
    startUs,
    endUs,
    everyUs,
    aggregate: params.aggregate ?? 'mean',
  }
}

const UNIT_US: Readonly<Record<string, number>> = { ms: 1e3, s: 1e6, m: 60e6, h: 3_600e6, d: 86_400e6 }
/** A number is exact up to 2^53 µs, which is in that year. */
const MAX_TIME_US = Date.UTC(2255, 0, 1) * 1000
/**
 * As µs this is 1973, as ms the year 5138. So a smaller integer was meant as s or ms, except 0: "from the beginning".
 */
const MIN_LIKELY_TIME_US = 1e14

/**
 * A moment in µs since the epoch: an RFC 3339 time, an integer in µs, `now`, or a duration before now such as `-90s`.
 *
 * @throws ParameterError
 */
export function parseTime(parameter: string, text: string, nowUs: number): number {
  const us = readTime(parameter, text, nowUs)
  if (!(us >= 0 && us <= MAX_TIME_US)) throw new ParameterError(parameter, `${text} is not between 1970 and 2255`)
  return us
}

function readTime(parameter: string, text: string, nowUs: number): number {
  if (text === 'now') return nowUs
  if (text.startsWith('-')) return nowUs - parseDuration(parameter, text.slice(1))
  if (/^\d{1,16}$/.test(text)) {
    const us = Number(text)
    if (us > 0 && us < MIN_LIKELY_TIME_US) {
      throw new ParameterError(
        parameter,
        `${text} is ${new Date(us / 1000).toISOString()}: an integer counts microseconds`,
      )
    }
    return us
  }
  return readRfc3339(text) ?? refuseTime(parameter, text)
}

function refuseTime(parameter: string, text: string): never {
  const forms = 'an RFC 3339 time, microseconds since 1970, "now", or a time before now such as "-5m"'
  throw new ParameterError(parameter, `${JSON.stringify(text)} is not a time: give ${forms}`)
}

/** A space before the offset is a plus sign that the URL did not percent-encode. */
const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[-+ ]\d\d:\d\d)$/

function readRfc3339(text: string): number | undefined {
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const [, day, time, fraction = '', offset] = match
  const ms = Date.parse(`${day}T${time}${offset!.replace(' ', '+').toUpperCase()}`)
  if (Number.isNaN(ms)) return undefined
  // Date.parse takes the 31st of a shorter month for the first of the next one.
  if (!new Date(`${day}T00:00:00Z`).toISOString().startsWith(day!)) return undefined
  return ms * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

/**
 * A duration such as `250ms`, `90s`, `5m`, `1h` or `7d`, in µs.
 *
 * @throws ParameterError
 */
export function parseDuration(parameter: string, text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text)
  const us = match === null ? 0 : Number(match[1]) * UNIT_US[match[2]!]!
  if (us > 0 && us <= MAX_TIME_US) return us
  throw new ParameterError(
    parameter,
    `${JSON.stringify(text)} is not a duration: give a whole number above 0 and ms, s, m, h or d, such as "30s"`,
  )
}

const SECOND = 1e6
const FRIENDLY_STEPS_US = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * 60 * SECOND),
  ...[1, 2, 3, 6, 12].map((n) => n * 3_600 * SECOND),
]
const DAY_US = 86_400 * SECOND

/**
 * A bucket length that divides a range into about 300 points: enough for a chart, with round times at the buckets'
 * ends.
 */
export function friendlyStep(rangeUs: number): number {
  const exact = rangeUs / 300
  return FRIENDLY_STEPS_US.find((step) => step >= exact) ?? Math.ceil(exact / DAY_US) * DAY_US
}

function parseMeasurement(text: string): string {
  const name = cleanText(text)
  if (name === '') throw new ParameterError('measurement', 'the name of the measurement is empty')
  return name
}

function parseFields(text: string): string[] {
  const fields = [...new Set(parseNames('field', text))]
  if (fields.length > MAX_FIELDS_ASKED) {
    throw new ParameterError('field', `${fields.length} fields; at most ${MAX_FIELDS_ASKED} are allowed`)
  }
  return fields
}

function parseTags(pairs: readonly string[], named: Readonly<Record<string, string>>): Record<string, string> {
  if (pairs.length > MAX_TAGS_ASKED) {
    throw new ParameterError('tag', `${pairs.length} tags; at most ${MAX_TAGS_ASKED} are allowed`)
  }
  const tags = new Map<string, string>()
  for (const pair of pairs) {
    const [key, value] = parsePair('tag', pair)
    if (key in named) throw new ParameterError('tag', `the path names the ${key} already`)
    if (tags.has(key)) throw new ParameterError('tag', `${JSON.stringify(key)} is given twice`)
    tags.set(key, value)
  }
  return Object.fromEntries(tags)
}

/** A field or tag that the parameters may have meant, with the query that finds out. */
export interface OtherReading {
  readonly parameter: 'field' | 'tag'
  /** In words, such as `a field "a,b"`. */
  readonly meant: string
  /** How the parameter has to be written for it. */
  readonly written: string
  readonly query: HistoryQuery
}

/**
 * How else the parameters can be read where fields found nothing: a comma or an equals sign may belong to a name. Neighbouring fields
 * without a series may be one field; of several equals signs a later one may end the key.
 *
 * @param found the fields that have a series
 */
export function otherReadings(query: HistoryQuery, params: HistoryParams, found: ReadonlySet<string>): OtherReading[] {
  const others: OtherReading[] = []
  for (const field of joinedWithoutSeries(query.fields, found)) {
    others.push({
      parameter: 'field',
      meant: `a field ${JSON.stringify(field)}`,
      written: escapeName(field),
      query: { ...query, fields: [field] },
    })
  }
  if (found.size > 0) return others
  for (const pair of params.tag ?? []) {
    const { [parsePair('tag', pair)[0]]: _replaced, ...tags } = query.tags
    for (const [key, value] of otherPairs(pair)) {
      others.push({
        parameter: 'tag',
        meant: `a tag ${JSON.stringify(key)} with the value ${JSON.stringify(value)}`,
        written: `${escapeName(key)}=${value}`,
        query: { ...query, tags: { ...tags, [key]: value } },
      })
    }
  }
  return others.slice(0, MAX_OTHER_READINGS)
}

/** The longest runs of two fields or more that have no series, joined as a name with commas would be. */
function joinedWithoutSeries(fields: readonly string[], found: ReadonlySet<string>): string[] {
  const runs: string[][] = [[]]
  for (const field of fields) {
    if (found.has(field)) runs.push([])
    else runs.at(-1)!.push(field)
  }
  return runs.filter(({ length }) => length > 1).map((run) => run.join(','))
}
