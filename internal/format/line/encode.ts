import { viewOf } from '../../sample/same-bytes.ts'
import type { Sample } from '../../sample/sample.ts'
import type { Series } from '../../sample/series.ts'
import type { Shape } from '../../sample/shape.ts'
import { type FieldKind, type FieldValue, isInt64, isUint64 } from '../../sample/value.ts'
import { writeDouble, writeInteger, writeText, writeThreeDigits } from './digits.ts'
import { isPlainTime, mostNumberLineBytes, wordsOf, writeNumberLine } from './number-line.ts'

const SPACE = 0x20
const LINE_FEED = 0x0a
const LETTER_I = 0x69
const LETTER_U = 0x75

/**
 * The digits of a time down to the millisecond, with the space before them. At 200,000 lines a second, 200 lines share
 * them.
 */
let millisecond = -1
let millisecondDigits = new Uint8Array()

/**
 * Writes a sample as one line of line protocol, times in ns, with its line feed.
 *
 * A value that does not fit its field's kind (`fitsKind`) is left out. Convert values by `series.fieldKinds` before.
 *
 * Nearly every line is one of numbers that `writeNumberLine` writes. The others are written byte by byte.
 *
 * @param view of the bytes of `into`: whoever writes many lines keeps one
 * @returns the index behind the line; `at` itself when the sample has no value. An index beyond the end of `into` says
 *   how much room the line needs; the bytes in `into` are no line then.
 */
export function writeLine(sample: Sample, into: Uint8Array, at: number, view = viewOf(into)): number {
  const { series, values } = sample
  const { shape } = series
  if (series.linePrefixBytes === 0) series.setLinePrefix(linePrefix(series))
  // NaN, before the first line, too.
  if (!(shape.mostLineBytes >= 0)) prepare(shape)
  if (at + series.linePrefixBytes + shape.mostLineBytes <= into.length && isPlainTime(sample.at)) {
    return writeNumberLine(sample, into, view, at)
  }
  const kinds = shape.fieldKinds
  const count = Math.min(values.length, kinds.length)
  let end = at
  for (let i = 0; i < count; i++) {
    const value = values[i]
    if (value === undefined) continue
    const fieldAt = end > at ? end : writeLinePrefix(series, into, at)
    const valueAt = copy(shape.fieldPrefixes[i]!.bytes, into, fieldAt)
    const valueEnd = writeValue(value, kinds[i]!, into, valueAt)
    if (valueEnd === valueAt) continue
    // Replaces the comma of the first field.
    if (end === at) into[fieldAt] = SPACE
    end = valueEnd
  }
  return end === at ? at : writeTime(sample.at, sample.tie, into, end)
}

/** The line with its line feed, in a Buffer of its own; empty when the sample has no value. */
export function encodeLine(sample: Sample): Buffer {
  let line = Buffer.allocUnsafe(256)
  let end = writeLine(sample, line, 0)
  if (end > line.length) {
    line = Buffer.allocUnsafe(end)
    end = writeLine(sample, line, 0)
  }
  return line.subarray(0, end)
}

/** The line as text, without the line feed: for logs and dead letters. */
export function encodeLineText(sample: Sample): string {
  return encodeLine(sample).toString('utf8').slice(0, -1)
}

function copy(bytes: Uint8Array, into: Uint8Array, at: number): number {
  for (let i = 0; i < bytes.length; i++) into[at + i] = bytes[i]!
  return at + bytes.length
}

/** `measurement,key=value`, made once for a series. */
function writeLinePrefix(series: Series, into: Uint8Array, at: number): number {
  const { bytes } = series.memory
  const end = at + series.linePrefixBytes
  for (let from = series.linePrefixAt, to = at; to < end; from++, to++) into[to] = bytes[from]!
  return end
}

function linePrefix({ measurement, tags }: Series): Buffer {
  let text = escapeText(measurement, MEASUREMENT_DELIMITERS)
  for (const [key, value] of tags) text += `,${escapeText(key, KEY_DELIMITERS)}=${escapeText(value, KEY_DELIMITERS)}`
  return Buffer.from(text)
}

function prepare(shape: Shape): void {
  for (const name of shape.fieldNames) {
    const bytes = Buffer.from(`,${escapeText(name, KEY_DELIMITERS)}=`)
    shape.fieldPrefixes.push({ bytes, words: wordsOf(bytes) })
  }
  const isNumbers = shape.fieldKinds.every((kind) => kind !== 'string' && kind !== 'bool')
  shape.mostLineBytes = isNumbers ? mostNumberLineBytes(shape.fieldPrefixes) : Infinity
}

/** InfluxDB unescapes `\=` in tags and field names only. In a measurement it would store the backslash. */
const MEASUREMENT_DELIMITERS = /[, ]/g
const KEY_DELIMITERS = /[,= ]/g

function escapeText(text: string, delimiters: RegExp): string {
  return text.replace(delimiters, '\\$&')
}

/** @returns `at` when the value does not fit the kind */
function writeValue(value: FieldValue, kind: FieldKind, into: Uint8Array, at: number): number {
  switch (kind) {
    case 'float':
      return typeof value === 'number' && value - value === 0 ? writeDouble(value, into, at) : at
    case 'int':
      return isInt64(value) ? writeIntegerValue(value, LETTER_I, into, at) : at
    case 'uint':
      return isUint64(value) ? writeIntegerValue(value, LETTER_U, into, at) : at
    case 'bool':
      return typeof value === 'boolean' ? writeText(value ? 'true' : 'false', into, at) : at
    case 'string':
      return typeof value === 'string' ? writeString(value, into, at) : at
  }
}

/** @param letter the one behind the digits, which says the kind of integer */
function writeIntegerValue(value: number | bigint, letter: number, into: Uint8Array, at: number): number {
  const end = writeIntegerDigits(value, into, at)
  into[end] = letter
  return end + 1
}

function writeIntegerDigits(value: number | bigint, into: Uint8Array, at: number): number {
  if (Number.isSafeInteger(value)) return writeInteger(value as number, into, at)
  // As text of a double, an integer from 1e21 on would have an exponent; as text of a bigint none has.
  return writeText(`${BigInt(value)}`, into, at)
}

/** Only the quote and the backslash have an escape. A line feed is written as it is. */
function writeString(value: string, into: Uint8Array, at: number): number {
  const text = `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`
  return BEYOND_ASCII.test(text) ? copy(Buffer.from(text), into, at) : writeText(text, into, at)
}

/** ` <nanoseconds>` and a line feed. */
function writeTime(at: number, tie: number, into: Uint8Array, offset: number): number {
  const ms = Math.floor(at / 1000)
  // Times below a millisecond would get leading zeros, and the remainders of times before 1970 are negative.
  if (ms < 1) return writeText(` ${BigInt(at) * 1000n + BigInt(tie)}\n`, into, offset)
  if (ms !== millisecond) {
    millisecond = ms
    millisecondDigits = Buffer.from(` ${ms}`)
  }
  const microsecondsAt = copy(millisecondDigits, into, offset)
  const end = writeThreeDigits(tie, into, writeThreeDigits(at - ms * 1000, into, microsecondsAt))
  into[end] = LINE_FEED
  return end + 1
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII, one byte a character
const BEYOND_ASCII = /[^\u0000-\u007f]/
