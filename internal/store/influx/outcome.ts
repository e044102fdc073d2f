import { errorText } from '../../text/error-text.ts'
import { type NamedLine, readError, shorten } from './answer.ts'
import { type InfluxAnswer, TransportError, UnreadableAnswerError } from './exchange.ts'

/** The longest pause that a server may ask for. */
const MAX_RETRY_AFTER_MS = 600_000

/** Some lines are at fault. The server says which, or `blame` finds out. */
export interface Refused {
  readonly action: 'reject'
  readonly status: number
  /** The server's own message. */
  readonly message: string
  /** The lines that the server names. */
  readonly named: readonly NamedLine[]
  /** How many lines the server says it left out; the rest of the body is stored. undefined where it does not say. */
  readonly dropped: number | undefined
  /** The first line left out has this field, with a type other than the stored one. */
  readonly conflict: { readonly measurement: string; readonly field: string; readonly type: string } | undefined
  /** The lines left out are the oldest. */
  readonly beyondRetention: boolean
}

/** Nothing is decided. `wait`: a person must change something. `retry`: it should heal by itself. */
export interface Undecided {
  readonly action: 'wait' | 'retry'
  /** 0: no answer, or none that can be read. */
  readonly status: number
  readonly message: string
  /**
   * After how many such answers to one batch in a row the batch is divided, because one of its lines may cause them. undefined: no line
   * causes this.
   */
  readonly divideAfter?: number | undefined
  readonly afterMs?: number | undefined
  /** What to do, where it is not what the status usually asks for. */
  readonly advice?: string
  readonly cause?: unknown
}

/** What to do after a write. */
export type Outcome =
  /** All of it is stored. */
  | { readonly action: 'accept' }
  /** The body is too large: send it in halves. */
  | { readonly action: 'split'; readonly status: number; readonly message: string }
  | Refused
  | Undecided

/**
 * What each status asks for. Other statuses: 2xx accept, 3xx and 4xx wait (the request is wrong, not the data), 5xx retry. The status alone
 * never decides: a 500 with a field type conflict (early releases of 2.x) rejects, and a 2xx with an error in its body does not accept.
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

/** Statuses of a store or proxy that has too much to do, regardless of the lines. */
const BUSY: ReadonlySet<number> = new Set([408, 425, 429, 503, 504])
/** An accident happens once or twice. A line that makes the store fail does so each time. */
const FAILURES_BEFORE_DIVIDING = 3

/** Sorts the answer to a write. Each rule comes from an answer of a real server or from its source code. */
export function outcomeOf(answer: InfluxAnswer, nowMs: number = Date.now()): Outcome {
  const { status } = answer
  const { message, isFormal, lines } = readError(answer)
  const divideAfter = BUSY.has(status) ? undefined : FAILURES_BEFORE_DIVIDING
  if (status >= 200 && status < 300) {
    if (message === '') return { action: 'accept' }
    return lines.length > 0 || isAboutLines(message)
      ? refused(status, message, lines)
      : { action: 'wait', status, message: `a body where InfluxDB has none (${shorten(message)})`, divideAfter }
  }
  if (status < 400) return { action: 'wait', status, message: `a redirect to ${answer.headers.location ?? 'nowhere'}` }
  if (isAboutLines(message)) return refused(status, message, lines)
  if (isPolicyMissing(message)) return { action: 'wait', status, message }
  const action = ACTIONS[status] ?? (status >= 500 ? 'retry' : 'wait')
  switch (action) {
    case 'reject':
      // No store words it like this. A proxy may give such a page to every write.
      if (!isFormal) return { action: 'wait', status, message, divideAfter: 1 }
      return refused(status, message, lines)
    case 'split':
      return { action, status, message }
    case 'wait':
    case 'retry':
      return { action, status, message, divideAfter, afterMs: retryAfterMs(answer, nowMs) }
  }
}

/** Sorts a write that got no answer, or none that can be read. */
export function outcomeOfFailure(error: unknown): Undecided {
  const message = errorText(error)
  const action = error instanceof TransportError && error.code === 'NO_TOKEN' ? 'wait' : 'retry'
  if (!(error instanceof UnreadableAnswerError)) return { action, status: 0, message, cause: error }
  // Broken HTTP has its cause in what the answer repeats: InfluxDB 1.x has all bad lines in one header, which may be too long to read. A
  // smaller body makes a shorter one. But any connection may break.
  const divideAfter = error.code.startsWith('HPE_') ? 1 : FAILURES_BEFORE_DIVIDING
  return { action, status: 0, message: `an answer that cannot be read: ${message}`, divideAfter, cause: error }
}

/**
 * Whether the message is about single lines. The status does not matter. A bare `partial write` is not: a cluster says
 * it when only some nodes have the batch.
 */
function isAboutLines(message: string): boolean {
  return /unable to parse '|partial write: |field type conflict/.test(message)
}

/** 1.x answers 500. */
export function isPolicyMissing(message: string): boolean {
  return message.startsWith('retention policy not found')
}

function refused(status: number, message: string, lines: readonly NamedLine[]): Refused {
  const dropped = Number(
    message
      .match(/\bdropped=\d+/g)
      ?.at(-1)
      ?.slice('dropped='.length) ?? 0,
  )
  const conflict = /input field "(.*?)" on measurement "(.*?)" is type (\w+)/s.exec(message)
  const named = lines.length > 0 ? lines : quotedLines(message)
  return {
    action: 'reject',
    status,
    message,
    named,
    // InfluxDB 1.x adds `dropped=0` to the lines that it could not parse: it counts only lines lost after parsing.
    dropped: named.length > 0 || dropped === 0 ? undefined : dropped,
    conflict: conflict === null ? undefined : { field: conflict[1]!, measurement: conflict[2]!, type: conflict[3]! },
    beyondRetention: /beyond retention policy|outside retention policy/.test(message),
  }
}

const QUOTE = "unable to parse '"

/**
 * `unable to parse '<line>': <reason>`, one for each bad line, joined by newlines. A line may contain all of these characters, so
 * `blame` believes an entry only when the batch has exactly that line.
 */
function quotedLines(message: string): NamedLine[] {
  const start = message.indexOf(QUOTE)
  if (start < 0) return []
  const lines: NamedLine[] = []
  for (const entry of message.slice(start + QUOTE.length).split(`\n${QUOTE}`)) {
    const end = entry.lastIndexOf("': ")
    if (end < 0) continue
    const reason = entry.slice(end + 3).replace(/ dropped=\d+$/, '')
    lines.push({ text: entry.slice(0, end), number: 0, reason })
  }
  return lines
}

/** Retry-After in ms, in either form, at most 10 minutes. A date is compared with the server's own clock if the answer shows it. */
function retryAfterMs(answer: InfluxAnswer, nowMs: number): number | undefined {
  const value = answer.headers['retry-after']
  if (value === undefined) return undefined
  const seconds = Number(value)
  const serverMs = Date.parse(answer.headers.date ?? '')
  const ms = Number.isNaN(seconds) ? Date.parse(value) - (Number.isNaN(serverMs) ? nowMs : serverMs) : seconds * 1000
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}
