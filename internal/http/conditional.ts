import type { IncomingHttpHeaders } from 'node:http'

/** What tells the version of a resource that an answer has from others. */
export interface Validators {
  /** As in the header: with its quotes, and `W/` before a weak one. */
  readonly etag: string
  /** To the second: two versions of one second are told apart by the tag alone. */
  readonly modifiedAtMs?: number
}

/** `W/"a"`, `"b,c"`: whatever stands between the quotes belongs to the tag. */
const TAG = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g
/** What is left of a list without its tags. One expression for all of it took minutes for 8 KB of commas. */
const BETWEEN_TAGS = /^[\s,]*$/

const [DAY, LONG_DAY] = ['(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)', '(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day']
const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
const TIME = '\\d\\d:\\d\\d:\\d\\d'
/** The three forms of a date in HTTP. The last one has no zone, and is UTC like the others. */
const DATES = [
  new RegExp(`^${DAY}, \\d\\d ${MONTH} \\d{4} ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, \\d\\d-${MONTH}-\\d\\d ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} [ \\d]\\d ${TIME} \\d{4}$`),
]

/** The headers of an answer by which its client can ask again. */
export function validatorHeaders({ etag, modifiedAtMs }: Validators): Readonly<Record<string, string>> {
  return { etag, ...(modifiedAtMs === undefined ? {} : { 'last-modified': new Date(modifiedAtMs).toUTCString() }) }
}

export function isConditional(headers: IncomingHttpHeaders): boolean {
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined
}

/**
 * Whether the client of a GET or HEAD has this version already, so that 304 is the answer (RFC 9110, 13.1.2, 13.1.3 and
 * 13.2.2). A condition that cannot be read is none, but tags win over a date even then.
 */
export function isNotModified(headers: IncomingHttpHeaders, { etag, modifiedAtMs }: Validators): boolean {
  const tags = headers['if-none-match']
  if (tags !== undefined) return hasAlready(tags, etag)
  const sinceMs = dateMs(headers['if-modified-since'])
  return modifiedAtMs !== undefined && sinceMs !== undefined && Math.floor(modifiedAtMs / 1000) * 1000 <= sinceMs
}

/**
 * The same for a resource whose versions have a tag alone. Whether a tag is weak makes no difference.
 *
 * @param ifNoneMatch the header of the request
 * @param tag of the answer, with its quotes
 */
export function hasAlready(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  const opaque = tag.replace(/^W\//, '')
  const isList = BETWEEN_TAGS.test(ifNoneMatch.replaceAll(TAG, ''))
  return isList && [...ifNoneMatch.matchAll(TAG)].some(([, listed]) => listed === opaque)
}

function dateMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const form = DATES.findIndex((date) => date.test(text.trim()))
  const ms = form === -1 ? Number.NaN : Date.parse(form === 2 ? `${text.trim()} GMT` : text)
  return Number.isNaN(ms) ? undefined : ms
}
