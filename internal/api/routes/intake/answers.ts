import { HttpError } from '../../../http/errors.ts'
import { IntakeError } from '../../../intake/errors.ts'
import { type Durable, NotDurableError } from '../../../publish/message.ts'

/** By the hop that keeps the samples. */
export const DURABLE_HEADER = 'sentinel-durable'
export const DURABLE_WORDS: Readonly<Record<Durable, string>> = { broker: 'redis', disk: 'disk' }

const RETRY_SECONDS = 1
const STATUS: Readonly<Record<IntakeError['kind'], number>> = { full: 429, too_large: 413, bad: 400 }

/** The answer to an error of the intake; other errors as they are. */
export function answerOfIntake(error: unknown): unknown {
  if (error instanceof IntakeError) {
    const retry = error.kind === 'full' ? { retryAfterSeconds: RETRY_SECONDS } : {}
    return new HttpError(STATUS[error.kind], error.message, { cause: error, ...retry })
  }
  if (error instanceof NotDurableError) {
    const detail = `neither the broker nor the disk has the samples for certain, send them again: ${error.message}`
    return new HttpError(503, detail, { cause: error, retryAfterSeconds: RETRY_SECONDS })
  }
  return error
}
