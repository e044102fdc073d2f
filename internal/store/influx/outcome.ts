import { errorText } from '../../text/error-text.ts'
import { type InfluxAnswer, TransportError } from './transport.ts'

/** The longest that a server may ask us to wait. */
const MAX_RETRY_AFTER_MS = 600_000

/** A line that the server points at. */
export interface NamedLine {
  /** As it was sent, or the beginning of it; '' where the server gives its number only. */
  readonly text: string
  /** Its place in the body, counted from 1; 0 where the server gives its text only. */
  readonly number: number
  readonly reason: string
}

export interface Refused {
  readonly action: 'reject'
  readonly status: number
  /** The server's own words. */
  readonly words: string
  /** Some lines are at fault; which ones is for the server to say here, or for us to find out. */
  readonly named: readonly NamedLine[]
  /** Lines that the server says it left out; what else was in the body is stored. undefined where it does not say. */
  readonly dropped: number | undefined
  /** The first of the lines left out: its field has another type than the stored one. */
  readonly conflict: { readonly measurement: string; readonly field: string; readonly type: string } | undefined
  /** Those left out are the oldest. */
  readonly beyondRetention: boolean
}

/** What to do after a write, which is all that an answer is read for. */
export type Outcome =
  /** All of it is stored. */
  | { readonly action: 'accept' }
  /** Too much at once: send it in halves. */
  | { readonly action: 'split'; readonly status: number; readonly words: string }
  | Refused
  /** Nothing is decided. `wait`: until somebody has changed something; `retry`: it should heal by itself. */
  | {
      readonly action: 'wait' | 'retry'
      /** 0: no answer. */
      readonly status: number
      readonly words: string
      readonly afterMs?: number | undefined
      readonly cause?: unknown
    }

/**
 * What each status asks for. Those not listed: 2xx accept, 3xx and 4xx wait (the request is wrong, not the data), 5xx retry. No status
 * decides alone: a 500 that tells of a field type conflict (early releases of 2.x) rejects, a 2xx with an error inside does not accept.
 */
const ACTIONS: Readonly<Record<number, 'split' | 'reject' | 'wait' | 'retry'>> = {
  400: 'reject',
  401: 'wait',
  403: 'wait',
  404: 'wait',
  408: 'retry',
  413: 'split',
  422: 'reject',
  425: 'retry',
  429: 'retry',
}

/** Sorts the answer to a write; every rule was seen in an answer of a real server or is written in its source. */
export function outcomeOf(answer: InfluxAnswer, nowMs: number = Date.now()): Outcome {
  const { status } = answer
  const { words, lines } = readError(answer)
  if (status >= 200 && status < 300) {
    if (words === '') return { action: 'accept' }
    return lines.length > 0 || isAboutLines(words)
      ? refused(status, words, lines)
      : { action: 'wait', status, words: `a body where InfluxDB has none (${shorten(words)})` }
  }
  if (status < 400) return { action: 'wait', status, words: `a redirect to ${answer.headers.location ?? 'nowhere'}` }
  if (isAboutLines(words)) return refused(status, words, lines)
  const action = ACTIONS[status] ?? (status >= 500 ? 'retry' : 'wait')
  switch (action) {
    case 'reject':
      return refused(status, words, lines)
    case 'split':
      return { action, status, words }
    case 'wait':
    case 'retry':
      return { action, status, words, afterMs: retryAfterMs(answer, nowMs) }
  }
}

/** Sorts a write that got no answer. */
export function outcomeOfFailure(error: unknown): Outcome {
  const code = error instanceof TransportError ? error.code : ''
  const words = errorText(error)
  // Thousands of bad lines, all repeated in the header of InfluxDB 1.x: with fewer lines it can be read.
  if (code === 'HPE_HEADER_OVERFLOW') return { action: 'split', status: 0, words }
  return { action: code === 'NO_TOKEN' ? 'wait' : 'retry', status: 0, words, cause: error }
}

/** Texts that only an answer about single lines has, in whatever status. `partial write` without more is a cluster's: some nodes have it all. */
function isAboutLines(words: string): boolean {
  return /unable to parse '|partial write: |field type conflict/.test(words)
}

function refused(status: number, words: string, lines: readonly NamedLine[]): Refused {
  const dropped = Number(
    words
      .match(/\bdropped=\d+/g)
      ?.at(-1)
      ?.slice('dropped='.length) ?? 0,
  )
  const conflict = /input field "(.*?)" on measurement "(.*?)" is type (\w+)/s.exec(words)
  const named = lines.length > 0 ? lines : quotedLines(words)
  return {
    action: 'reject',
    status,
    words,
    named,
    // InfluxDB 1.x writes `dropped=0` behind the lines that it could not parse: it counts what came after parsing.
    dropped: named.length > 0 || dropped === 0 ? undefined : dropped,
    conflict: conflict === null ? undefined : { field: conflict[1]!, measurement: conflict[2]!, type: conflict[3]! },
    beyondRetention: /beyond retention policy|outside retention policy/.test(words),
  }
}

const QUOTE = "unable to parse '"

/**
 * `unable to parse '<line>': <reason>`, as many as there are bad lines, joined by newlines. A line may hold all of these characters,
 * so what is read here is only believed when the batch has just that line.
 */
function quotedLines(words: string): NamedLine[] {
  const start = words.indexOf(QUOTE)
  if (start < 0) return []
  const lines: NamedLine[] = []
  for (const entry of words.slice(start + QUOTE.length).split(`\n${QUOTE}`)) {
    const end = entry.lastIndexOf("': ")
    if (end < 0) continue
    const reason = entry.slice(end + 3).replace(/ dropped=\d+$/, '')
    lines.push({ text: entry.slice(0, end), number: 0, reason })
  }
  return lines
}

/** The message of an error, from the body of any of the servers or from the header of InfluxDB 1.x, and the lines that InfluxDB 3 lists. */
export function readError(answer: InfluxAnswer): { words: string; lines: NamedLine[] } {
  const fields = parseObject(answer.body)
  const message = fields.error ?? fields.message ?? (answer.cut ? cutMessage(answer.body) : undefined)
  const header = answer.headers['x-influxdb-error']
  const words = [message, header, answer.body].find((text) => typeof text === 'string' && text !== '')
  return { words: typeof words === 'string' ? words : '', lines: listedLines(fields.data) }
}

/** `data` of InfluxDB 3: a list, or one entry alone where it takes all lines or none. */
function listedLines(data: unknown): NamedLine[] {
  const entries: unknown[] = Array.isArray(data) ? data : [data]
  return entries.filter(isObject).map((entry) => ({
    text: typeof entry.original_line === 'string' ? entry.original_line : '',
    number: typeof entry.line_number === 'number' ? entry.line_number : 0,
    reason: typeof entry.error_message === 'string' ? entry.error_message : 'refused',
  }))
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** What can be read of a message in JSON that ends somewhere: its first lines are cut out of the batch, the others come with the next answer. */
function cutMessage(body: string): string | undefined {
  const opening = /"(?:message|error)":"/.exec(body)
  if (opening === null) return undefined
  const text = body.slice(opening.index + opening[0].length)
  // The end may stand inside an escape, of which the longest (`\u0000`) has six characters.
  for (let without = 0; without < 6; without++) {
    const fields = parseObject(`{"message":"${text.slice(0, text.length - without)}"}`)
    if (typeof fields.message === 'string') return fields.message
  }
  return undefined
}

/** Retry-After in ms, either of its forms, at most 10 minutes. A date is compared with the server's own clock where it shows it. */
function retryAfterMs(answer: InfluxAnswer, nowMs: number): number | undefined {
  const value = answer.headers['retry-after']
  if (value === undefined) return undefined
  const seconds = Number(value)
  const serverMs = Date.parse(answer.headers.date ?? '')
  const ms = Number.isNaN(seconds) ? Date.parse(value) - (Number.isNaN(serverMs) ? nowMs : serverMs) : seconds * 1000
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}

/** Server's words for a log line: one that repeats thousands of lines is cut. */
export function shorten(words: string): string {
  return words.length > 300 ? `${words.slice(0, 300)}…` : words
}
