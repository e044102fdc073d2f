import { UNKNOWN } from './figure.ts'

/** The same on every machine, so that all readers see the same text. */
const LOCALE = 'en-US'

/** `24,910`: a whole number. */
export function countText(count: number): string {
  return decimalText(count, 0)
}

/** `1 sample`, `24,910 samples`, `50 switches`. */
export function countOf(count: number, noun: string): string {
  const ending = /(s|x|ch|sh)$/.test(noun) ? 'es' : 's'
  return `${countText(count)} ${noun}${count === 1 ? '' : ending}`
}

/** `1,234.50`: always so many decimals, so that the points in a column align. An unknown number is `–`, not 0. */
export function decimalText(value: number | undefined, decimals: number): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN
  return value.toLocaleString(LOCALE, { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}

/** `50,000`, `2.5`: a number that a user chose, such as a setting. It keeps its decimals, at most three. */
export function numberText(value: number): string {
  return value.toLocaleString(LOCALE)
}
