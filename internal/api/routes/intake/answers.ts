import { HttpError } from '../../../http/errors.ts'
import { IntakeError } from '../../../intake/errors.ts'

/** Says what keeps the samples: `redis` or `disk`. */
export const DURABLE_HEADER = 'sentinel-durable'

const RETRY_SECONDS = 1
const STATUS: Readonly<Record<IntakeError['kind'], number>> = { full: 429, too_large: 413, bad: 400, not_durable: 503 }

/** The answer to an error of the intake; other errors as they are. */
export function answerOfIntake(error: unknown): unknown {
  if (!(error instanceof IntakeError)) return error
  const { kind, message } = error
  const isForNow = kind === 'full' || kind === 'not_durable'
  return new HttpError(STATUS[kind], message, {
    cause: error,
    ...(isForNow ? { retryAfterSeconds: RETRY_SECONDS } : {}),
  })
}
