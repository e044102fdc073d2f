import { UNKNOWN } from './figure.ts'

/** The same for every reader, wherever the program runs. */
const LOCALE = 'en-US'

/** `24,910`: a whole number. */
export function countText(count: number): string {
  return decimalText(count, 0)
}

/** `1 sample`, `24,910 samples`. */
export function countOf(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `1,234.50`: a column of these has its points one below the other. What is not known is not 0. */
export function decimalText(value: number | undefined, decimals: number): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN
  return value.toLocaleString(LOCALE, { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
}

/** `50,000`, `2.5`: a number that somebody chose, with the decimals that it has; three at most. */
export function numberText(value: number): string {
  return value.toLocaleString(LOCALE)
}
