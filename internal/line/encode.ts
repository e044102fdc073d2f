import type { Sample } from '../sample/sample.ts'
import type { Series } from '../sample/series.ts'
import type { FieldKind, FieldValue } from '../sample/value.ts'

/** Integers that fit a double and are out of int64 or uint64 begin here. */
const TWO_TO_63 = 2 ** 63
const TWO_TO_64 = 2 ** 64
const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n
const UINT64_MAX = 2n ** 64n - 1n

/** `000` to `999`, and the same at the end of a line. */
const THREE_DIGITS = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'))
const LAST_THREE_DIGITS = THREE_DIGITS.map((digits) => `${digits}\n`)

/** `0` to `999`, and what stands after them for so many hundredths: '', `.01`, …, `.1`, …, `.99`. */
const WHOLE = Array.from({ length: 1000 }, (_, n) => String(n))
const DECIMALS = Array.from({ length: 100 }, (_, n) => String(n / 100).slice(1))

/** A time's digits down to the millisecond, remembered: at 200,000 lines a second, 200 of them share it. */
let millisecond = -1
let millisecondText = ''

/**
 * A sample as one line of line protocol, times in ns, with its line feed. Each character stands for one byte of the line's UTF-8,
 * so `buffer.write(line, offset, 'latin1')` writes it and `line.length` is its size. '' when the sample has no value.
 *
 * Left out are values that line protocol cannot carry as the field's kind: NaN, the infinities, a fraction or an integer out of
 * range in an integer field, a number in a string field. Whoever fills a sample has to convert before, by `series.fieldKinds`.
 */
export function encodeLine(sample: Sample): string {
  const { series, values } = sample
  const kinds = series.fieldKinds
  const count = Math.min(values.length, kinds.length)
  let line = ''
  for (let i = 0; i < count; i++) {
    const value = values[i]
    if (value === undefined) continue
    const text = formatValue(value, kinds[i]!)
    if (text === '') continue
    const prefix = series.fieldPrefixes[i] ?? fieldPrefix(series, i)
    line += line === '' ? (series.linePrefix || linePrefix(series)) + prefix + text : `,${prefix}${text}`
  }
  return line === '' ? '' : line + formatTime(sample.at, sample.tie)
}

/** The same line as ordinary text, without the line feed: for logs and dead letters. */
export function encodeLineText(sample: Sample): string {
  return Buffer.from(encodeLine(sample), 'latin1').toString('utf8').slice(0, -1)
}

/** `measurement,key=value ` with the space before the fields, made once a series. */
function linePrefix(series: Series): string {
  let text = escapeText(series.measurement, MEASUREMENT_DELIMITERS)
  for (const [key, value] of series.tags)
    text += `,${escapeText(key, KEY_DELIMITERS)}=${escapeText(value, KEY_DELIMITERS)}`
  series.linePrefix = utf8(`${text} `)
  return series.linePrefix
}

/** Makes the prefixes up to this field, in order, so that the array has no holes. */
function fieldPrefix(series: Series, index: number): string {
  for (let i = series.fieldPrefixes.length; i <= index; i++) {
    series.fieldPrefixes.push(utf8(`${escapeText(series.fieldNames[i]!, KEY_DELIMITERS)}=`))
  }
  return series.fieldPrefixes[index]!
}

/** InfluxDB takes `\=` back in tags and field names only: in a measurement it would store the backslash. */
const MEASUREMENT_DELIMITERS = /[, ]/g
const KEY_DELIMITERS = /[,= ]/g

function escapeText(text: string, delimiters: RegExp): string {
  return text.replace(delimiters, '\\$&')
}

function formatValue(value: FieldValue, kind: FieldKind): string {
  switch (kind) {
    case 'float':
      return typeof value === 'number' ? formatFloat(value) : ''
    case 'int':
      return formatInteger(value, -TWO_TO_63, TWO_TO_63, INT64_MIN, INT64_MAX, 'i')
    case 'uint':
      return formatInteger(value, 0, TWO_TO_64, 0n, UINT64_MAX, 'u')
    case 'bool':
      return value === true ? 'true' : value === false ? 'false' : ''
    case 'string':
      return typeof value === 'string' ? formatString(value) : ''
  }
}

/**
 * The shortest decimal that reads back as the same double; `1e+21` and `5e-324` are understood by every store.
 *
 * Most figures are percentages and rates of at most two decimals. Those are put together from tables, which takes half the time
 * (80 ns against 170 to 210 by a template literal): hundredths that give the value back by one exact division are its digits.
 */
function formatFloat(value: number): string {
  if (value > 0 && value < 1000) {
    const hundredths = Math.round(value * 100)
    if (hundredths / 100 === value) {
      const whole = Math.floor(value)
      return WHOLE[whole]! + DECIMALS[hundredths - whole * 100]!
    }
  }
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  return value - value === 0 ? `${value}` : ''
}

function formatInteger(
  value: FieldValue,
  from: number,
  below: number,
  min: bigint,
  max: bigint,
  suffix: 'i' | 'u',
): string {
  if (typeof value === 'number') {
    if (!(value >= from && value < below && Math.floor(value) === value)) return ''
    // From 1e21 on a double would be written with an exponent; all of int64 and uint64 is below that.
    return Number.isSafeInteger(value) ? `${value}${suffix}` : `${BigInt(value)}${suffix}`
  }
  return typeof value === 'bigint' && value >= min && value <= max ? `${value}${suffix}` : ''
}

/** Only the quote and the backslash have an escape; a line feed stands as it is. */
function formatString(value: string): string {
  return utf8(`"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`)
}

/** ` <nanoseconds>` and a line feed. */
function formatTime(at: number, tie: number): string {
  const ms = Math.floor(at / 1000)
  // Short times would get leading zeros, and those before 1970 count the other way.
  if (ms < 1) return ` ${BigInt(at) * 1000n + BigInt(tie)}\n`
  if (ms !== millisecond) {
    millisecond = ms
    millisecondText = ` ${ms}`
  }
  return millisecondText + THREE_DIGITS[at - ms * 1000]! + LAST_THREE_DIGITS[tie]!
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is one byte a character already
const BEYOND_ASCII = /[^\u0000-\u007f]/

/** UTF-8 bytes, each held as one character. */
function utf8(text: string): string {
  return BEYOND_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
