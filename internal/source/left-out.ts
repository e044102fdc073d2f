import type { ProblemThrottle } from './source.ts'

/**
 * Why a source did not send a figure as it was read. Each word is a label of `sentinel_source_left_out_figures_total`.
 */
export const LEFT_OUT_REASONS = [
  'unreadable',
  'out_of_range',
  'clamped',
  'went_back',
  'jumped',
  'other_file_system',
  'no_answer',
  'not_asked',
  'hidden',
] as const
export type LeftOutReason = (typeof LEFT_OUT_REASONS)[number]

/**
 * What a source read and does not send, because it cannot be or cannot be known: a wrong figure looks like a true one
 * on every chart, and a gap does not. Each is counted by its reason, and said as a problem of its part.
 */
export class LeftOut {
  readonly #problems: ProblemThrottle
  readonly #counts = new Map<LeftOutReason, number>(LEFT_OUT_REASONS.map((reason) => [reason, 0]))

  constructor(problems: ProblemThrottle) {
    this.#problems = problems
  }

  /** How often each reason applied: once for each figure, or once for a sample that is left out as a whole. */
  get counts(): ReadonlyMap<LeftOutReason, number> {
    return this.#counts
  }

  /**
   * @param part and `message` as in a `Problem`
   */
  note(reason: LeftOutReason, part: string, message: string, cause?: unknown): void {
    this.#counts.set(reason, this.#counts.get(reason)! + 1)
    this.#problems.report(part, message, cause)
  }
}
