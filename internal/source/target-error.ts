/** Why a target gave nothing that can be taken. Each word is a label of `sentinel_source_failures_total`. */
export const TARGET_PROBLEMS = [
  'unreachable',
  'timeout',
  'status',
  'redirect',
  'encoding',
  'too_large',
  'cut_off',
  'not_a_table',
  'no_rows',
  'too_many_bad_rows',
  'not_metrics',
  'credentials',
] as const
export type TargetProblem = (typeof TARGET_PROBLEMS)[number]

/** A target that gave nothing that can be taken, with words for people that have no secrets in them. */
export class TargetError extends Error {
  readonly problem: TargetProblem

  constructor(problem: TargetProblem, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TargetError'
    this.problem = problem
  }
}
