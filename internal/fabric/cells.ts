import type { CsvScanner } from '../format/csv/scanner.ts'

/** Words for no value, beside the empty cell: also what C prints of a division by zero. */
const NO_VALUE = new Set(['n/a', 'na', 'nan', '-nan', 'inf', '-inf', 'null'])
/** The first lines tell how many rows a table has, by their mean. */
const LINES_MEASURED = 64
const LINE_FEED = 0x0a

/**
 * About how many rows follow. None is shorter than its commas and its end, so lines without cells, or a single short one,
 * do not ask for the memory of millions of rows.
 */
export function rowsFrom({ bytes, at: first }: CsvScanner, width: number): number {
  let at = first
  let lines = 0
  for (; lines < LINES_MEASURED && at < bytes.length; lines++) at = bytes.indexOf(LINE_FEED, at) + 1
  return Math.ceil((bytes.length - first) / Math.max(width, (at - first) / Math.max(1, lines)))
}

/** Whether the text of a cell says that there is no value. */
export function isNoValue(text: string): boolean {
  const word = text.trim()
  return word === '' || (word.length <= 4 && NO_VALUE.has(word.toLowerCase()))
}
