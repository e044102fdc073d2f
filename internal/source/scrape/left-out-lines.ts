import { BAD_LINE_REASONS } from '../../format/prometheus/text-scanner.ts'

/** Why a line of a sample gives no value. Each word is a label of `sentinel_scrape_left_out_lines_total`. */
export const LEFT_OUT_LINES = [
  ...BAD_LINE_REASONS,
  // Of lines that can be read, and that nobody can keep.
  ...(['twice', 'bad_series', 'too_many_series', 'too_many_fields', 'not_whole', 'gpu_refused'] as const),
  // Of lines that are right, and say that there is no value.
  ...(['not_a_number', 'infinite', 'gpu_missing'] as const),
] as const
export type LeftOutLine = (typeof LEFT_OUT_LINES)[number]

/** Those of lines that are right. */
export const MISSING: ReadonlySet<LeftOutLine> = new Set(['not_a_number', 'infinite', 'gpu_missing'])
