import { isReservedTagKey } from '../../sample/border.ts'
import { type FieldKind, type FieldValue, INT64_MAX, INT64_MIN, type Tag, UINT64_MAX } from '../../sample/value.ts'

export interface ParsedField {
  readonly name: string
  readonly kind: FieldKind
  /** An integer is a bigint where a double would not be exact. */
  readonly value: FieldValue
}

/** A good line, as it is written: the border cleans and sorts (`SeriesTable.intern`, `Series.field`). */
export interface ParsedLine {
  /** Of the line's first character, from 1. */
  readonly lineNumber: number
  readonly measurement: string
  readonly tags: readonly Tag[]
  /** At least one. Of two with the same name the later one counts. */
  readonly fields: readonly ParsedField[]
  /** Nanoseconds since the Unix epoch. */
  readonly timeNs: bigint | undefined
}

export interface BadLine {
  readonly lineNumber: number
  /** The character that is wrong, from 1. */
  readonly column: number
  readonly reason: string
  /** The line, unchanged. */
  readonly text: string
}

export function isBadLine(line: ParsedLine | BadLine): line is BadLine {
  return 'reason' in line
}

export interface ParseOptions {
  /**
   * What one unit of the times in the text is worth, ns: 1 (unless told otherwise), 1000, 1_000_000 or 1_000_000_000.
   */
  readonly unitNs?: number
  /** The number of the first line: 1 unless told otherwise. */
  readonly firstLine?: number
}

/** InfluxDB's bound on measurement and tags together, bytes as they stand in the line. */
const MAX_KEY_BYTES = 65_535
/** InfluxDB reserves the outermost nanoseconds of int64. */
const MIN_TIME_NS = INT64_MIN + 2n
const MAX_TIME_NS = INT64_MAX - 1n
/**
 * No 64-bit integer has more digits. A longer one is refused before it becomes a bigint, which takes quadratic time.
 */
const MAX_DIGITS = 20

const TRUE_WORDS = new Set(['t', 'T', 'true', 'True', 'TRUE'])
const FALSE_WORDS = new Set(['f', 'F', 'false', 'False', 'FALSE'])

const TAB = 0x09
const LINE_FEED = 0x0a
const SPACE = 0x20
const QUOTE = 0x22
const HASH = 0x23
const COMMA = 0x2c
const MINUS = 0x2d
const EQUALS = 0x3d
const BACKSLASH = 0x5c

/**
 * Reads line protocol as InfluxDB 1.x and 2.x do, in one pass over the text. Yields each line in order, good or bad.
 * Empty lines and comments are skipped. A line feed inside a quoted string belongs to the string. A carriage return
 * before a line feed makes a line bad, as in InfluxDB. Bytes that are not UTF-8 become U+FFFD.
 *
 * This file is long because it is one grammar: the end of a line follows the same rules as the parser.
 */
export function* parseLines(body: Buffer | string, options: ParseOptions = {}): Generator<ParsedLine | BadLine> {
  const text = typeof body === 'string' ? body : body.toString('utf8')
  const unitNs = BigInt(options.unitNs ?? 1)
  let lineNumber = options.firstLine ?? 1
  for (let start = 0; start < text.length; ) {
    const first = skipBlanks(text, start, text.length)
    const isComment = text.charCodeAt(first) === HASH
    const end = isComment ? endOfComment(text, first) : endOfLine(text, start)
    if (!isComment && first < end) yield parseLine(text, first, start, end, lineNumber, unitNs)
    lineNumber += countLineFeeds(text, start, end) + 1
    start = end + 1
  }
}

function parseLine(
  text: string,
  first: number,
  start: number,
  end: number,
  lineNumber: number,
  unitNs: bigint,
): ParsedLine | BadLine {
  try {
    return new LineParser(text, first, end, unitNs).parse(lineNumber)
  } catch (error) {
    if (!(error instanceof Misfit)) throw error
    const atReturn = text[end - 1] === '\r' && error.position >= end - 1
    const reason = atReturn ? 'a carriage return before the line feed: end lines by a line feed alone' : error.reason
    return { lineNumber, column: error.position - start + 1, reason, text: text.slice(start, end) }
  }
}

/** Not an Error: in a body of bad lines, a stack for each of them would cost more than all the parsing. */
class Misfit {
  readonly position: number
  readonly reason: string

  constructor(position: number, reason: string) {
    this.position = position
    this.reason = reason
  }
}

/** Reads one line from left to right. Each method begins at `#at` and moves it behind what it has read. */
class LineParser {
  readonly #text: string
  readonly #end: number
  readonly #unitNs: bigint
  #at: number

  constructor(text: string, start: number, end: number, unitNs: bigint) {
    this.#text = text
    this.#at = start
    this.#end = end
    this.#unitNs = unitNs
  }

  parse(lineNumber: number): ParsedLine {
    const start = this.#at
    const measurement = this.#name('measurement', COMMA, SPACE, /\\([, ])/g)
    const tags: Tag[] = []
    while (this.#take(COMMA)) tags.push(this.#tag())
    this.#checkKey(start, tags)
    const fields: ParsedField[] = []
    this.#skipBlanks()
    do fields.push(this.#field())
    while (this.#take(COMMA))
    this.#skipBlanks()
    const timeNs = this.#at < this.#end ? this.#time() : undefined
    this.#skipBlanks()
    if (this.#at < this.#end) throw new Misfit(this.#at, 'text after the time')
    return { lineNumber, measurement, tags, fields, timeNs }
  }

  #tag(): Tag {
    const start = this.#at
    const key = this.#name('tag key', EQUALS, COMMA, /\\([,= ])/g)
    if (!this.#take(EQUALS)) throw new Misfit(this.#at, 'a tag without a value')
    if (isReservedTagKey(key)) throw new Misfit(start, `the tag key "${key}" is reserved`)
    const value = this.#name('tag value', COMMA, EQUALS, /\\([,= ])/g)
    if (this.#peek() === EQUALS) throw new Misfit(this.#at, 'an equals sign in a tag value needs a backslash')
    return [key, value]
  }

  #checkKey(start: number, tags: readonly Tag[]): void {
    if (new Set(tags.map(([key]) => key)).size < tags.length) throw new Misfit(start, 'a tag stands twice')
    if (this.#at - start > MAX_KEY_BYTES / 3 && Buffer.byteLength(this.#slice(start)) > MAX_KEY_BYTES) {
      throw new Misfit(start, `measurement and tags are over ${MAX_KEY_BYTES} bytes`)
    }
  }

  #field(): ParsedField {
    if (this.#at >= this.#end) throw new Misfit(this.#at, 'no field')
    const name = this.#name('field name', EQUALS, COMMA, /\\([,= "])/g)
    if (!this.#take(EQUALS)) throw new Misfit(this.#at, 'a field without a value')
    if (this.#peek() === QUOTE) return { name, kind: 'string', value: this.#string() }
    const start = this.#at
    while (this.#at < this.#end && this.#peek() !== COMMA && this.#peek() !== SPACE) this.#at++
    const word = this.#slice(start)
    if (word === '') throw new Misfit(start, 'a field without a value')
    if (TRUE_WORDS.has(word)) return { name, kind: 'bool', value: true }
    if (FALSE_WORDS.has(word)) return { name, kind: 'bool', value: false }
    const last = word.at(-1)
    if (last === 'i') return { name, kind: 'int', value: integer(word.slice(0, -1), INT64_MIN, INT64_MAX, start) }
    if (last === 'u') return { name, kind: 'uint', value: integer(word.slice(0, -1), 0n, UINT64_MAX, start) }
    return { name, kind: 'float', value: float(word, start) }
  }

  /** A quoted string. A backslash escapes a quote or a backslash; before anything else it is a backslash. */
  #string(): string {
    const opening = this.#at++
    let escaped = false
    for (; this.#peek() !== QUOTE; this.#at++) {
      if (this.#at >= this.#end) throw new Misfit(opening, 'a string without its closing quote')
      if (this.#peek() === BACKSLASH) {
        this.#at++
        escaped = true
      }
    }
    if (this.#at >= this.#end) throw new Misfit(opening, 'a string without its closing quote')
    const raw = this.#slice(opening + 1)
    this.#at++
    const next = this.#peek()
    if (this.#at < this.#end && next !== COMMA && next !== SPACE) throw new Misfit(this.#at, 'text after a string')
    return escaped ? raw.replace(/\\(["\\])/g, '$1') : raw
  }

  #time(): bigint {
    const start = this.#at
    while (this.#at < this.#end && this.#peek() !== SPACE) this.#at++
    const word = this.#slice(start)
    if (!isInteger(word)) throw new Misfit(start + digitsUpTo(word), 'a time is an integer')
    const timeNs = significantDigits(word) > MAX_DIGITS ? MAX_TIME_NS + 1n : BigInt(word) * this.#unitNs
    if (timeNs < MIN_TIME_NS || timeNs > MAX_TIME_NS) throw new Misfit(start, 'a time out of the range of nanoseconds')
    return timeNs
  }

  /** Text up to a space or one of two delimiters. A delimiter after a backslash is text, even after two backslashes. */
  #name(what: string, delimiter: number, other: number, escapes: RegExp): string {
    const start = this.#at
    let escaped = false
    for (; this.#at < this.#end; this.#at++) {
      const code = this.#peek()
      if (code === BACKSLASH) escaped = true
      else if (code === delimiter || code === other || code === SPACE) {
        if (this.#at === start || this.#text.charCodeAt(this.#at - 1) !== BACKSLASH) break
      }
    }
    if (this.#at === start) throw new Misfit(start, `an empty ${what}`)
    const raw = this.#slice(start)
    return escaped ? raw.replace(escapes, '$1') : raw
  }

  #peek(): number {
    return this.#text.charCodeAt(this.#at)
  }

  #take(code: number): boolean {
    if (this.#at >= this.#end || this.#peek() !== code) return false
    this.#at++
    return true
  }

  #skipBlanks(): void {
    this.#at = skipBlanks(this.#text, this.#at, this.#end)
  }

  #slice(start: number): string {
    return this.#text.slice(start, this.#at)
  }
}

function integer(digits: string, min: bigint, max: bigint, position: number): number | bigint {
  if (!isInteger(digits)) throw new Misfit(position + digitsUpTo(digits), 'an integer has digits only')
  const value = significantDigits(digits) > MAX_DIGITS ? undefined : BigInt(digits)
  if (value === undefined || value < min || value > max) throw new Misfit(position, 'an integer out of range')
  const double = Number(value)
  return Number.isSafeInteger(double) ? double : value
}

/** `-1`, `.5`, `5.`, `1.5e-7`; not `+5`, `NaN`, `Inf`, or a number beyond the doubles. */
function float(word: string, position: number): number {
  let at = word[0] === '-' ? 1 : 0
  const whole = countDigits(word, at)
  at += whole
  let decimals = 0
  if (word[at] === '.') {
    decimals = countDigits(word, ++at)
    at += decimals
  }
  if (whole + decimals === 0) throw new Misfit(position, 'neither a number nor a boolean (strings need quotes)')
  if (word[at] === 'e' || word[at] === 'E') {
    at += word[at + 1] === '-' || word[at + 1] === '+' ? 2 : 1
    const exponent = countDigits(word, at)
    if (exponent === 0) throw new Misfit(position + at, 'an exponent without digits')
    at += exponent
  }
  if (at < word.length) throw new Misfit(position + at, 'text after a number')
  const value = Number(word)
  if (!Number.isFinite(value)) throw new Misfit(position, 'a number beyond the doubles')
  return value
}

function isInteger(word: string): boolean {
  const end = digitsUpTo(word)
  return end === word.length && end > (word[0] === '-' ? 1 : 0)
}

/** The index behind the digits, which may follow a minus. */
function digitsUpTo(word: string): number {
  const start = word.charCodeAt(0) === MINUS ? 1 : 0
  return start + countDigits(word, start)
}

function countDigits(word: string, from: number): number {
  let at = from
  while (isDigit(word.charCodeAt(at))) at++
  return at - from
}

function significantDigits(word: string): number {
  let at = word.charCodeAt(0) === MINUS ? 1 : 0
  while (word[at] === '0') at++
  return word.length - at
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** InfluxDB's blanks: space, tab and NUL. */
function skipBlanks(text: string, from: number, end: number): number {
  let at = from
  while (at < end) {
    const code = text.charCodeAt(at)
    if (code !== SPACE && code !== TAB && code !== 0) break
    at++
  }
  return at
}

function endOfComment(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end
}

/**
 * The line feed that ends the line, by InfluxDB's rule. A line feed after a backslash or in quotes does not end it. A
 * quote counts only in the value of a field, which is where more equals signs than commas have come since the first
 * space.
 */
export function endOfLine(text: string, from: number): number {
  let inFields = false
  let inQuotes = false
  let awaited = 0
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === BACKSLASH && at + 2 < text.length) at++
    else if (code === LINE_FEED) {
      if (!inQuotes) break
    } else if (code === SPACE) inFields = true
    else if (inFields) {
      if (code === QUOTE && awaited > 0) inQuotes = !inQuotes
      else if (code === EQUALS && !inQuotes) awaited++
      else if (code === COMMA && !inQuotes) awaited--
    }
  }
  return at
}

/** How many line feeds there are in `[from, end)`. */
export function countLineFeeds(text: string, from: number, end: number): number {
  let count = 0
  for (let at = text.indexOf('\n', from); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++
  return count
}
