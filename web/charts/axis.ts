import { type Figure, figureText } from '../../internal/text/figure.ts'

/** The next round number at or above the value, for the end of an axis that moves rarely. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1
  const decade = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.5, 2, 3, 4, 5, 6, 8].find((step) => step * decade >= value) ?? 10) * decade
}

/**
 * The steps between the marks of an axis: 1, 2, 2.5 and 5 times a power of ten, no smaller than what a mark can tell. An axis
 * of whole bytes with a mark at each half would read "1 B, 1 B, 0 B".
 *
 * @param least the smallest difference that the text of a mark shows
 */
export function decimalSteps(least: number): number[] {
  const factors = [1, 2, 2.5, 5]
  return Array.from({ length: 20 }, (_, power) => factors.map((factor) => factor * 10 ** power))
    .flat()
    .filter(Number.isInteger)
    .map((count) => Number((count * least).toPrecision(3)))
}

/** The end of an axis from 0, with room for some marks. */
export function axisEnd(largest: number, least: number): number {
  return Math.max(niceCeiling(largest), 5 * least)
}

/** The text of a mark, without the zeros that say nothing: `2.5 MB/s`, `0`. */
export function markText(value: number, format: (value: number) => Figure): string {
  const { text, unit } = format(value)
  const short = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return value === 0 ? '0' : figureText({ text: short, unit })
}

/** A digit of the axis is less wide than this, CSS pixels. */
const DIGIT_PX = 7

/** Leaves out a text that the edge of the chart would cut: the one of the newest minute, until it has moved in. */
export function uncutTexts(texts: readonly string[], middleOf: (index: number) => number, edgePx: number): string[] {
  return texts.map((text, index) => (middleOf(index) + (text.length * DIGIT_PX) / 2 > edgePx ? '' : text))
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 6, 12, 24].map((count) => count * HOUR),
]

/** The width of a bucket, ms, that gives a range about one bucket a pixel. It is a second or more. */
export function bucketFor(rangeMs: number, pixels: number): number {
  const atLeast = rangeMs / Math.max(pixels, 1)
  return STEPS.find((step) => step >= atLeast) ?? Math.ceil(atLeast / (24 * HOUR)) * 24 * HOUR
}
