import { writeDouble, writeInteger } from './digits.ts'

/*
 * Numbers as ASCII digits, up to four at a time. Each function writes at `at`, and up to three bytes behind its last
 * digit, which belong to what is written next. It returns the offset behind the last digit.
 */

/** Below it a number has at most three digits. */
const THOUSAND = 1_000
const MILLION = 1_000_000

/** The characters of each entry, the first in the lowest byte, and how many they are in the highest. */
const PLAIN = tableOf(THOUSAND, (value) => `${value}`)
const PADDED = tableOf(THOUSAND, (value) => `${value}`.padStart(3, '0'))
/** Hundredths with their point: '', '.01', '.5'. */
const FRACTIONS = tableOf(100, (value) => (value === 0 ? '' : `.${`${value}`.padStart(2, '0').replace(/0$/, '')}`))

/** As `writeDouble`. Percentages, rates and small counts need two stores. */
export function writeDoubleWords(value: number, into: Uint8Array, view: DataView, at: number): number {
  if (!(value >= 0 && value < MILLION) || Object.is(value, -0)) return writeDouble(value, into, at)
  const hundredths = Math.round(value * 100)
  if (hundredths / 100 !== value) return writeDouble(value, into, at)
  const whole = (hundredths / 100) | 0
  const end = writeBelowMillion(whole, view, at)
  const rest = hundredths - whole * 100
  return rest === 0 ? end : put(FRACTIONS[rest]!, view, end)
}

/** As `writeInteger`. */
export function writeIntegerWords(value: number, into: Uint8Array, view: DataView, at: number): number {
  return value >= 0 && value < MILLION ? writeBelowMillion(value, view, at) : writeInteger(value, into, at)
}

/** Three digits of a number from 0 to 999. */
export function writeThreeDigitsWord(value: number, view: DataView, at: number): number {
  view.setInt32(at, PADDED[value]!, true)
  return at + 3
}

function writeBelowMillion(value: number, view: DataView, at: number): number {
  if (value < THOUSAND) return put(PLAIN[value]!, view, at)
  const thousands = (value / THOUSAND) | 0
  return writeThreeDigitsWord(value - thousands * THOUSAND, view, put(PLAIN[thousands]!, view, at))
}

function put(word: number, view: DataView, at: number): number {
  view.setInt32(at, word, true)
  return at + (word >>> 24)
}

function tableOf(length: number, textOf: (value: number) => string): Int32Array {
  return Int32Array.from({ length }, (_, value) => {
    const text = textOf(value)
    return [...text].reduce((word, digit, i) => word | (digit.charCodeAt(0) << (8 * i)), text.length << 24)
  })
}
