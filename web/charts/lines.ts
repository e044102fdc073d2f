import type { Line } from './panel.ts'

/** The style sheet has so many colours; further lines share the last. */
export const COLOURS = 6
/** More lines than this are a tangle that shows nothing. */
const MOST_LINES = 16

/**
 * The lines that a chart draws. Those of most machines keep their places. If there are more lines than colours, the largest
 * come first, so that the ones with a colour of their own, and the ones that are drawn at all, are those that matter.
 */
export function linesToDraw(lines: readonly Line[], value: (column: string) => number | null): readonly Line[] {
  if (lines.length <= COLOURS) return lines
  const ranked = lines.map((line) => ({ line, rank: rankOf(value(line.column)) })).sort((a, b) => b.rank - a.rank)
  return ranked.slice(0, MOST_LINES).map(({ line }) => line)
}

/** To the three digits that people see, so that two lines side by side do not change places each second. */
function rankOf(value: number | null): number {
  return value === null ? -Infinity : Number(value.toPrecision(3))
}
