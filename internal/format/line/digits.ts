const ZERO = 0x30
const DOT = 0x2e
const MINUS = 0x2d
const BILLION = 1e9
const BILLION_DIGITS = 9
/** Up to this many hundredths (values below 21,474,836) fit int32, with which V8 is fastest. */
const MOST_HUNDREDTHS = 2 ** 31 - 1
const MOST_OF_HUNDREDTHS = Math.floor(MOST_HUNDREDTHS / 100)

/*
 * Numbers as ASCII digits. Each function writes at `at` and returns the offset behind the last digit. Digits beyond the
 * end of the bytes are not written; the offset that is returned is then beyond the end too.
 */

/**
 * A finite double as JavaScript prints it: the shortest decimal that reads back as the same double.
 *
 * Most values are counts, or percentages and rates of at most two decimals. When the rounded hundredths, divided by
 * 100, give the value back, they are its digits, and no string is needed.
 */
export function writeDouble(value: number, into: Uint8Array, at: number): number {
  const isNegative = value < 0 || (value === 0 && 1 / value < 0)
  const magnitude = isNegative ? -value : value
  if (isNegative) into[at++] = MINUS
  if (magnitude < MOST_OF_HUNDREDTHS) {
    const hundredths = Math.round(magnitude * 100)
    if (hundredths / 100 === magnitude) return writeHundredths(hundredths, into, at)
  } else if (Number.isSafeInteger(magnitude)) return writeWhole(magnitude, into, at)
  return writeText(`${magnitude}`, into, at)
}

/** An integer from -(2^53 - 1) to 2^53 - 1; -0 is 0. */
export function writeInteger(value: number, into: Uint8Array, at: number): number {
  if (value >= 0) return writeWhole(value, into, at)
  into[at] = MINUS
  return writeWhole(-value, into, at + 1)
}

/** Each character as one byte. */
export function writeText(text: string, into: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** Three digits of a number from 0 to 999. */
export function writeThreeDigits(value: number, into: Uint8Array, at: number): number {
  return writePadded(value, 3, into, at)
}

function writeHundredths(hundredths: number, into: Uint8Array, at: number): number {
  const whole = (hundredths / 100) | 0
  const end = writeDigits(whole, into, at)
  const rest = hundredths - whole * 100
  if (rest === 0) return end
  const tenths = (rest / 10) | 0
  const last = rest - tenths * 10
  into[end] = DOT
  into[end + 1] = ZERO + tenths
  if (last === 0) return end + 2
  into[end + 2] = ZERO + last
  return end + 3
}

/** An integer from 0 to 2^53 - 1. */
function writeWhole(value: number, into: Uint8Array, at: number): number {
  if (value < BILLION) return writeDigits(value | 0, into, at)
  const billions = Math.floor(value / BILLION)
  return writePadded(value - billions * BILLION, BILLION_DIGITS, into, writeDigits(billions, into, at))
}

/** An integer from 0 to 2^31 - 1. */
function writeDigits(value: number, into: Uint8Array, at: number): number {
  let width = 1
  for (let bound = 10; bound <= value && width < 10; bound *= 10) width++
  return writePadded(value, width, into, at)
}

function writePadded(value: number, width: number, into: Uint8Array, at: number): number {
  let rest = value | 0
  for (let i = at + width - 1; i >= at; i--) {
    const tens = (rest / 10) | 0
    into[i] = ZERO + rest - tens * 10
    rest = tens
  }
  return at + width
}
