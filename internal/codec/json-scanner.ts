/** What this project reads of a JSON message. */
export interface StatsMessage {
  /** NaN where there is none; may be infinite (1e999 is valid JSON). */
  cpu: number
  mem: number
  /** µs; 0 where there is none. */
  sentAt: number
  /** -1 where there is none. */
  seq: number
}

const TAB = 0x09
const LINE_FEED = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const UPPER_E = 0x45
const BACKSLASH = 0x5c
const LOWER_E = 0x65
const OPEN = 0x7b
const CLOSE = 0x7d

/** The keys that are read, each with its closing quote. */
const CPU = Buffer.from('cpu_usage"')
const MEM = Buffer.from('mem_usage"')
const SEND_TIME = Buffer.from('send_time_unix_nano"')
const HOST = Buffer.from('host"')
const RUN_ID = Buffer.from('source"')
const SEQ = Buffer.from('seq"')
const LETTER = { c: 0x63, h: 0x68, m: 0x6d, n: 0x6e, o: 0x6f, s: 0x73 } as const

const WORDS = ['true', 'false', 'null'].map((word) => Buffer.from(word))
const NULL = Buffer.from('null')

/**
 * These powers are exact doubles. One multiplication or division by them rounds once, so it is as exact as JSON.parse.
 */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, n) => Number(`1e${n}`))
/** With one digit more, a mantissa may be beyond the integers that a double holds exactly. */
const MAX_MANTISSA = Math.floor((2 ** 53 - 10) / 10)

/**
 * Reads the usual message, a flat object of numbers and strings without escapes, straight from its bytes, and allocates
 * nothing. Any other message, valid or not, is left to JSON.parse (`parseUnusual` in json.ts). Both give the same for
 * each message that the scanner takes.
 */
export class PlainScanner implements StatsMessage {
  cpu = Number.NaN
  mem = Number.NaN
  sentAt = 0
  seq = -1
  /** The range of each string in the message, without its quotes; empty where there is none. */
  hostStart = 0
  hostEnd = 0
  runIdStart = 0
  runIdEnd = 0
  /** The number read last. */
  #number = 0

  /** @returns false when the message is unusual: then the fields mean nothing */
  scan(bytes: Buffer): boolean {
    this.cpu = Number.NaN
    this.mem = Number.NaN
    this.sentAt = 0
    this.seq = -1
    this.hostStart = this.hostEnd = this.runIdStart = this.runIdEnd = 0
    let at = skipSpace(bytes, 0)
    if (bytes[at] !== OPEN) return false
    for (;;) {
      at = skipSpace(bytes, at + 1)
      if (bytes[at] !== QUOTE) return false
      const key = keyAt(bytes, at + 1)
      const keyEnd = key === undefined ? endOfString(bytes, at + 1) : at + key.length
      if (keyEnd < 0) return false
      at = skipSpace(bytes, keyEnd + 1)
      if (bytes[at] !== COLON) return false
      at = this.#value(bytes, key, skipSpace(bytes, at + 1))
      if (at < 0) return false
      at = skipSpace(bytes, at)
      if (bytes[at] === COMMA) continue
      return bytes[at] === CLOSE && skipSpace(bytes, at + 1) === bytes.length
    }
  }

  /** @returns where the value ends, or -1 */
  #value(bytes: Buffer, key: Buffer | undefined, at: number): number {
    let end: number
    switch (key) {
      case CPU:
        end = this.#numberOrNull(bytes, at)
        this.cpu = this.#number
        return end
      case MEM:
        end = this.#numberOrNull(bytes, at)
        this.mem = this.#number
        return end
      case SEND_TIME:
        return this.#sendTime(bytes, at)
      case HOST:
        if (bytes[at] !== QUOTE) return -1
        this.hostStart = at + 1
        this.hostEnd = endOfString(bytes, at + 1)
        return this.hostEnd < 0 ? -1 : this.hostEnd + 1
      case RUN_ID:
        if (bytes[at] !== QUOTE) return -1
        this.runIdStart = at + 1
        this.runIdEnd = endOfString(bytes, at + 1)
        return this.runIdEnd < 0 ? -1 : this.runIdEnd + 1
      case SEQ:
        end = this.#numberOrNull(bytes, at)
        this.seq = Number.isSafeInteger(this.#number) && this.#number >= 0 ? this.#number : -1
        return end
      default:
        return this.#skipScalar(bytes, at)
    }
  }

  #skipScalar(bytes: Buffer, at: number): number {
    const first = bytes[at]!
    if (first === QUOTE) {
      const end = endOfString(bytes, at + 1)
      return end < 0 ? -1 : end + 1
    }
    if (first === MINUS || isDigit(first)) return this.#readNumber(bytes, at)
    for (const word of WORDS) if (matches(bytes, at, word)) return at + word.length
    return -1
  }

  #numberOrNull(bytes: Buffer, at: number): number {
    if (!matches(bytes, at, NULL)) return this.#readNumber(bytes, at)
    this.#number = Number.NaN
    return at + NULL.length
  }

  /** Digits only; the last three are below the microsecond. */
  #sendTime(bytes: Buffer, start: number): number {
    let end = start
    while (isDigit(bytes[end]!)) end++
    const next = bytes[end]
    if (end === start || end - start > 19 || next === DOT || next === LOWER_E || next === UPPER_E) return -1
    if (bytes[start] === ZERO && end - start > 1) return -1
    let us = 0
    for (let at = start; at < end - 3; at++) us = us * 10 + bytes[at]! - ZERO
    this.sentAt = us
    return us <= Number.MAX_SAFE_INTEGER ? end : -1
  }

  /** A number by JSON's grammar, into `#number`. */
  #readNumber(bytes: Buffer, start: number): number {
    let at = start
    const isNegative = bytes[at] === MINUS
    if (isNegative) at++
    const firstDigit = at
    let mantissa = 0
    let exponent = 0
    let isLong = false
    for (; isDigit(bytes[at]!); at++) {
      if (mantissa > MAX_MANTISSA) isLong = true
      else mantissa = mantissa * 10 + bytes[at]! - ZERO
    }
    if (at === firstDigit || (bytes[firstDigit] === ZERO && at - firstDigit > 1)) return -1
    if (bytes[at] === DOT) {
      const firstDecimal = ++at
      for (; isDigit(bytes[at]!); at++) {
        if (mantissa > MAX_MANTISSA) isLong = true
        else mantissa = mantissa * 10 + bytes[at]! - ZERO
      }
      if (at === firstDecimal) return -1
      exponent = firstDecimal - at
    }
    if (bytes[at] === LOWER_E || bytes[at] === UPPER_E) {
      at++
      const isDown = bytes[at] === MINUS
      if (isDown || bytes[at] === PLUS) at++
      const firstOfExponent = at
      let written = 0
      for (; isDigit(bytes[at]!); at++) if (written < 10_000) written = written * 10 + bytes[at]! - ZERO
      if (at === firstOfExponent) return -1
      exponent += isDown ? -written : written
    }
    if (isLong || exponent < -22 || exponent > 22) this.#number = Number(bytes.toString('latin1', start, at))
    else {
      const value = exponent < 0 ? mantissa / POWERS_OF_TEN[-exponent]! : mantissa * POWERS_OF_TEN[exponent]!
      this.#number = isNegative ? -value : value
    }
    return at
  }
}

/** The key that begins here, if any. Its first letters leave only one to compare. */
function keyAt(bytes: Buffer, at: number): Buffer | undefined {
  let key: Buffer
  switch (bytes[at]) {
    case LETTER.c:
      key = CPU
      break
    case LETTER.m:
      key = MEM
      break
    case LETTER.h:
      key = HOST
      break
    case LETTER.s:
      if (bytes[at + 1] === LETTER.o) key = RUN_ID
      else key = bytes[at + 2] === LETTER.n ? SEND_TIME : SEQ
      break
    default:
      return undefined
  }
  return matches(bytes, at, key) ? key : undefined
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte !== SPACE && byte !== LINE_FEED && byte !== RETURN && byte !== TAB) break
    at++
  }
  return at
}

/** The closing quote of a string without escapes and control characters, or -1. */
function endOfString(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) return at
    if (byte === BACKSLASH || byte < SPACE) return -1
  }
  return -1
}

function matches(bytes: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false
  return true
}
