import type { ParsedLine } from '../format/line/parse.ts'
import type { Sample } from '../sample/sample.ts'
import type { Series } from '../sample/series.ts'
import type { Slot } from '../sample/value.ts'

/** Keys that are remembered. Beyond it all are forgotten, and learned again. */
const MAX_KEYS = 100_000
/** So many digits are exact in a double, also after a multiplication or division by a power of ten within these digits. */
const EXACT_DIGITS = 15
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, i) => 10 ** i)

const LINE_FEED = 0x0a
const SPACE = 0x20
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const LOWER_I = 0x69
const LOWER_U = 0x75

interface KnownField {
  /** As in lines, with the equals sign. */
  readonly text: string
  readonly index: number
}

/** The series of a key, measurement and tags as they stand in lines. */
interface KnownKey {
  readonly series: Series
  /** In the order of the line that was learned last. */
  readonly fields: KnownField[]
}

/**
 * Reads lines whose key and fields stood in an earlier line in the same bytes, and whose values are plain numbers: those
 * of nearly every body. Whatever is unusual (an escape, a string, an exponent, a new field) it leaves to the parser,
 * which then teaches it. Reading a line changes no series.
 */
export class KnownLines {
  readonly #keys = new Map<string, KnownKey>()
  /** Where the line ends that was read last: at its line feed, or at the end of the text. */
  end = 0
  /** Where the number ends that was read last. */
  #numberEnd = 0
  #digits = 0
  #hasDot = false
  #tie = 0

  /**
   * @param text one character a byte
   * @returns undefined where the parser must read the line
   */
  read(
    text: string,
    start: number,
    { unitNs, nowUs }: { readonly unitNs: number; readonly nowUs: number },
  ): Sample | undefined {
    const keyEnd = text.indexOf(' ', start)
    if (keyEnd < 0) return undefined
    const known = this.#keys.get(text.slice(start, keyEnd))
    if (known === undefined) return undefined
    const { series, fields } = known
    if (series.evicted) return undefined
    const { fieldKinds } = series
    const values: Slot[] = []
    let at = keyEnd + 1
    for (let i = 0; ; i++) {
      const field = i < fields.length && text.startsWith(fields[i]!.text, at) ? fields[i] : this.#find(text, at, fields)
      if (field === undefined) return undefined
      const { index } = field
      const value = this.#number(text, at + field.text.length)
      if (!Number.isFinite(value)) return undefined
      at = this.#numberEnd
      let code = text.charCodeAt(at)
      const kind = code === LOWER_I ? 'int' : code === LOWER_U ? 'uint' : 'float'
      if (kind !== fieldKinds[index]) return undefined
      if (kind !== 'float') {
        // A fraction, or more digits than are exact, is for the parser.
        if (this.#digits > EXACT_DIGITS || this.#hasDot || Object.is(value, -0)) return undefined
        if (kind === 'uint' && value < 0) return undefined
        code = text.charCodeAt(++at)
      }
      while (values.length < index) values.push(undefined)
      values[index] = value
      if (code === COMMA) at++
      else if (code === SPACE) break
      else if (this.#isEnd(text, at)) return sampleOf(series, values, nowUs, 0, nowUs)
      else return undefined
    }
    const timeUs = this.#time(text, at + 1, unitNs)
    if (timeUs < 0 || !this.#isEnd(text, this.#numberEnd)) return undefined
    return sampleOf(series, values, timeUs, this.#tie, nowUs)
  }

  /** Remembers the key and fields of a good line, if they stand in it as they are. */
  learn(text: string, series: Series, line: ParsedLine): void {
    if (series.evicted || !/^[\x21-\x7e ]+$/.test(text) || /["\\]/.test(text)) return
    if (this.#keys.size >= MAX_KEYS) this.#keys.clear()
    const fields: KnownField[] = []
    for (const { name, kind } of line.fields) {
      const index = series.field(name, kind)
      if (typeof index === 'number') fields.push({ text: `${name}=`, index })
    }
    this.#keys.set(text.slice(0, text.indexOf(' ')), { series, fields })
  }

  /** A number of digits, with a minus and a dot where there is one; NaN for anything else. Sets `#numberEnd`. */
  #number(text: string, start: number): number {
    const isNegative = text.charCodeAt(start) === MINUS
    let at = isNegative ? start + 1 : start
    let mantissa = 0
    let digits = 0
    let decimals = -1
    for (; ; at++) {
      const code = text.charCodeAt(at)
      const digit = code - ZERO
      if (digit >= 0 && digit <= 9) {
        mantissa = mantissa * 10 + digit
        if (mantissa !== 0) digits++
        if (decimals >= 0) decimals++
      } else if (code === DOT && decimals < 0) decimals = 0
      else break
    }
    const length = at - start - (isNegative ? 1 : 0) - (decimals >= 0 ? 1 : 0)
    if (length === 0) return Number.NaN
    this.#numberEnd = at
    this.#digits = digits
    this.#hasDot = decimals >= 0
    if (digits > EXACT_DIGITS || decimals > EXACT_DIGITS) return Number(text.slice(start, at))
    const value = decimals > 0 ? mantissa / POWERS_OF_TEN[decimals]! : mantissa
    return isNegative ? -value : value
  }

  /** µs, and the nanoseconds below in `#tie`; -1 for what the parser must look at. */
  #time(text: string, start: number, unitNs: number): number {
    let at = start
    while (isDigit(text.charCodeAt(at))) at++
    this.#numberEnd = at
    this.#tie = 0
    const digits = at - start
    if (digits === 0 || digits > 19) return -1
    if (unitNs === 1) {
      if (digits < 4) return -1
      this.#tie = Number(text.slice(at - 3, at))
      const us = integer(text, start, at - 3)
      return us <= Number.MAX_SAFE_INTEGER ? us : -1
    }
    if (digits > EXACT_DIGITS + 1) return -1
    const us = integer(text, start, at) * (unitNs / 1000)
    return us <= Number.MAX_SAFE_INTEGER ? us : -1
  }

  #isEnd(text: string, at: number): boolean {
    if (at < text.length && text.charCodeAt(at) !== LINE_FEED) return false
    this.end = at
    return true
  }

  #find(text: string, at: number, fields: KnownField[]): KnownField | undefined {
    const end = text.indexOf('=', at)
    if (end < 0) return undefined
    for (const field of fields) if (field.text.length === end + 1 - at && text.startsWith(field.text, at)) return field
    return undefined
  }
}

function sampleOf(series: Series, values: Slot[], at: number, tie: number, nowUs: number): Sample {
  series.usedAt = nowUs
  return { series, values, at, tie }
}

function integer(text: string, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + (text.charCodeAt(at) - ZERO)
  return value
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9
}
