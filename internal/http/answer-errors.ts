import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { App } from './app-types.ts'
import { HttpError, InternalError, ParameterError, UnknownPathError } from './errors.ts'
import { PROBLEM_TYPE, problemDocument } from './problem.ts'

/** Makes the answer to an error that carries none, such as one of the store. Undefined for other errors. */
export type Translate = (error: Error) => HttpError | undefined

/** Answers every error, and every path without a route, with a problem document. */
export function answerErrors(app: App, faults: LogThrottle, translate: Translate): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const answer = answerTo(error, translate)
    // A client that leaves during a query makes the query fail. Without this check the log would blame the store.
    if (!reply.raw.destroyed) answer.log(faults, pathOf(request.url))
    return sendProblem(request, reply, answer)
  })
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, new UnknownPathError(pathOf(request.url))))
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, answer: HttpError): FastifyReply {
  const { status, detail, parameter, scope } = answer
  return reply
    .code(status)
    .headers(answer.headers())
    .type(PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .send(problemDocument({ status, detail, instance: pathOf(request.url), parameter, scope }))
}

/** The answer to an error: its own, or one for what fastify or a handler throws. */
export function answerTo(error: FastifyError, translate: Translate = () => undefined): HttpError {
  if (error instanceof HttpError) return error
  if (error.validation !== undefined) return invalidParameter(error)
  const { statusCode = 500, message } = error
  if (statusCode >= 400 && statusCode < 500) return new HttpError(statusCode, message)
  return translate(error) ?? new InternalError(error)
}

/** The first rule of the schema that the request breaks, and the parameter that breaks it. */
function invalidParameter(error: FastifyError): ParameterError {
  const { keyword, params, instancePath, message } = error.validation![0]!
  if (keyword === 'required') {
    const parameter = String(params.missingProperty)
    return new ParameterError(parameter, `${parameter} is missing`)
  }
  if (keyword === 'additionalProperties') {
    const parameter = String(params.additionalProperty)
    return new ParameterError(parameter, `there is no parameter ${JSON.stringify(parameter)}`)
  }
  const parameter = instancePath.split('/')[1] ?? ''
  const allowed = Array.isArray(params.allowedValues) ? `: ${params.allowedValues.join(', ')}` : ''
  return new ParameterError(parameter, `${parameter} ${message}${allowed}`)
}

export function pathOf(url: string): string {
  return url.split('?', 1)[0]!
}
