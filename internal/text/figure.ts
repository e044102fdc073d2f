/** A number made short, and its unit: the page shows the unit small beside the number. */
export interface Figure {
  readonly text: string
  readonly unit: string
}

/** Shown instead of an unknown number, which is not 0. */
export const UNKNOWN = '–'

/** `3.10 MB/s`; a number without a unit stands alone. */
export function figureText({ text, unit }: Figure): string {
  return unit === '' ? text : `${text} ${unit}`
}

/** `9.99`, `99.9`, `999`: three digits. Up to 9,999 a text has at most four characters, so a column keeps its width. */
export function threeDigits(value: number): string {
  const size = Math.abs(value)
  if (size < 9.995) return value.toFixed(2)
  if (size < 99.95) return value.toFixed(1)
  return value.toFixed(0)
}

/**
 * Divides a value by `base` until it is short, and puts the matching prefix before the unit. A value below the base is
 * rounded to a whole number.
 */
export function scaled(value: number, base: number, prefixes: readonly string[], unit: string): Figure {
  let rest = value
  let power = 0
  // From half a unit below the base, a value would be rounded up to the base ("1000 B"): it gets the next prefix.
  while (Math.abs(rest) >= base - 0.5 && power < prefixes.length - 1) {
    rest /= base
    power++
  }
  return { text: power === 0 ? rest.toFixed(0) : threeDigits(rest), unit: `${prefixes[power]}${unit}` }
}
