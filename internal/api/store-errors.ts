import { HttpError, ParameterError } from '../http/errors.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { StoreError } from '../store/store.ts'

const RETRY_SECONDS = 5

/** The answer to a request that the store failed; undefined for other errors. */
export function answerOfStore(error: Error): HttpError | undefined {
  if (!(error instanceof StoreError)) return undefined
  return error.kind === 'too_much' ? new ParameterError('every', error.message) : new StoreFailure(error)
}

/** The message of the store may name addresses and databases, so clients do not get it. */
class StoreFailure extends HttpError {
  readonly #cause: StoreError

  constructor(cause: StoreError) {
    const isAway = cause.kind === 'away'
    const detail = isAway ? 'the store does not answer' : 'the store refuses to answer; the log of the server says why'
    super(503, detail, { retryAfterSeconds: RETRY_SECONDS, cause })
    this.#cause = cause
  }

  override log(faults: LogThrottle): void {
    logStoreFault(faults, this.#cause)
  }
}

/** Logs the details that clients do not get. */
export function logStoreFault(faults: LogThrottle, err: StoreError): void {
  if (err.kind === 'away') faults.warn('store away', { err }, 'the store does not answer')
  else faults.error('store refuses', { err }, 'the store refuses a query: check its credentials and names')
}
