import type { InfluxAnswer } from './exchange.ts'

const MAX_LOGGED_CHARACTERS = 300

/** A line that the server complains about. */
export interface NamedLine {
  /** The line as it was sent, or its beginning; '' where the server gives only its number. */
  readonly text: string
  /** Position in the body, counted from 1; 0 where the server gives only the text. */
  readonly number: number
  readonly reason: string
}

/**
 * The error in an answer: the message from the body of any version, or from the header of InfluxDB 1.x, and the lines
 * that InfluxDB 3 lists. The message is '' when the answer has no error. `isFormal` says that the message has the form in which a store
 * words its errors; a page of a proxy has not.
 */
export function readError(answer: InfluxAnswer): { message: string; isFormal: boolean; lines: NamedLine[] } {
  const fields = parseObject(answer.body)
  const inBody = fields.error ?? fields.message ?? cutMessage(answer.body)
  const inHeader = answer.headers['x-influxdb-error']
  const message = [inBody, inHeader, answer.body].find((text) => typeof text === 'string' && text !== '')
  const isFormal = typeof (inBody ?? inHeader) === 'string'
  return { message: typeof message === 'string' ? message : '', isFormal, lines: listedLines(fields.data) }
}

/** Shortens a server's message for a log line: some repeat thousands of lines. */
export function shorten(message: string): string {
  return message.length > MAX_LOGGED_CHARACTERS ? `${message.slice(0, MAX_LOGGED_CHARACTERS)}…` : message
}

/** `data` of InfluxDB 3: a list of entries, or a single entry where it takes all lines or none. */
function listedLines(data: unknown): NamedLine[] {
  const entries: unknown[] = Array.isArray(data) ? data : [data]
  return entries.filter(isObject).map((entry) => ({
    text: typeof entry.original_line === 'string' ? entry.original_line : '',
    number: typeof entry.line_number === 'number' ? entry.line_number : 0,
    reason: typeof entry.error_message === 'string' ? entry.error_message : 'refused',
  }))
}

function parseObject(text: string): Record<string, unknown> {
  // Almost every answer to a write. An error of JSON.parse takes longer than the rest of it.
  if (text === '') return {}
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

/**
 * The readable part of a message in JSON that was cut off. The lines that it names are taken out of the batch, and the answer to the
 * next attempt names the others.
 */
function cutMessage(body: string): string | undefined {
  const opening = /"(?:message|error)":"/.exec(body)
  if (opening === null) return undefined
  const text = body.slice(opening.index + opening[0].length)
  // The cut may be inside an escape; the longest (`\u0000`) has six characters.
  for (let without = 0; without < 6; without++) {
    const fields = parseObject(`{"message":"${text.slice(0, text.length - without)}"}`)
    if (typeof fields.message === 'string') return fields.message
  }
  return undefined
}
