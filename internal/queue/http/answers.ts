import type { FastifyRequest } from 'fastify'
import { BrokerError } from '../../broker/broker.ts'
import { HttpError, ParameterError } from '../../http/errors.ts'
import { DiskError } from '../overflow.ts'
import { TooManyTopics } from '../topics.ts'

/** Redis or the disk may be back by then. */
const RETRY_SECONDS = 1
/** Consumers have to make room first. */
const FULL_RETRY_SECONDS = 5

/** Makes the answers to what the gateway throws. */
export function answerOfQueue(error: Error): HttpError | undefined {
  if (error instanceof DiskError && error.reason === 'full') {
    const detail = `nothing is taken: ${error.message}, and Redis takes no more until consumers have acked`
    return new HttpError(507, detail, { retryAfterSeconds: FULL_RETRY_SECONDS, cause: error })
  }
  if (error instanceof DiskError) {
    const detail = 'neither Redis nor the disk takes it now'
    return new HttpError(503, detail, { retryAfterSeconds: RETRY_SECONDS, cause: error })
  }
  if (error instanceof TooManyTopics) return new ParameterError('topic', 'there are as many topics as there may be')
  if (!(error instanceof BrokerError)) return undefined
  if (error.kind === 'refused') return new HttpError(413, error.message, { cause: error })
  return new HttpError(503, 'Redis does not answer now', { retryAfterSeconds: RETRY_SECONDS, cause: error })
}

/** The bytes of a body; none where there is no body. @throws HttpError where they are packed */
export function bodyOf(request: FastifyRequest): Buffer {
  if (request.headers['content-encoding'] !== undefined) throw new HttpError(415, 'a body must not be packed')
  return (request.body as Buffer | undefined) ?? Buffer.alloc(0)
}
