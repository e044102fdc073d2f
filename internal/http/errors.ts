import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { PROBLEM_TYPE, type Problem, problemDocument } from './problem.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { StoreError } from '../store/store.ts'
import type { Api } from './app.ts'
import { ParameterError } from '../api/routes/history-params.ts'
import { securityHeaders } from './security-headers.ts'

/** What was asked for is not there: status 404. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError'
}

/** All places are taken: status 503, and worth another try in a second. */
export class OverloadError extends Error {
  override readonly name = 'OverloadError'
}

interface Answer extends Problem {
  readonly retryAfterSeconds?: number
}

const STORE_RETRY_SECONDS = 5

/** Makes a problem document of every error, and of every path that is not there. */
export function answerErrors(app: Api, faults: LogThrottle): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const answer = answerTo(error)
    // Without this a client that leaves in the middle of a query would look like a store that fails.
    if (!reply.raw.destroyed) logFault(faults, error, answer, request)
    return sendProblem(request, reply, answer)
  })
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, { status: 404, detail: `there is nothing at ${pathOf(request.url)}` }),
  )
}

/** For errors that fastify finds before there is a route, and so before its hooks: a URL that cannot be decoded. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers(securityHeaders(request.url))
  sendProblem(request, reply, answerTo(error))
}

/** Refuses what is not for a path that has GET only, before its body is read. */
export function refuseOtherMethods(app: Api, paths: readonly string[]): void {
  const refuse = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    reply.header('allow', 'GET, HEAD')
    return sendProblem(request, reply, { status: 405, detail: `${request.method} is not for ${pathOf(request.url)}` })
  }
  for (const url of paths) {
    const method = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
    app.route({ method, url, schema: { hide: true }, onRequest: refuse, handler: refuse })
  }
}

function answerTo(error: FastifyError): Answer {
  if (error instanceof ParameterError) return { status: 400, detail: error.message, parameter: error.parameter }
  if (error instanceof NotFoundError) return { status: 404, detail: error.message }
  if (error instanceof OverloadError) return { status: 503, detail: error.message, retryAfterSeconds: 1 }
  if (error instanceof StoreError && error.kind === 'too_much') {
    return { status: 400, detail: error.message, parameter: 'every' }
  }
  if (error instanceof StoreError)
    return { status: 503, detail: storeDetail(error), retryAfterSeconds: STORE_RETRY_SECONDS }
  if (error.validation !== undefined) return invalid(error)
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500) return { status, detail: error.message }
  return { status: 500, detail: 'the server failed; its log says how' }
}

function storeDetail(error: StoreError): string {
  return error.kind === 'away'
    ? 'the store does not answer'
    : 'the store refuses to answer; the log of the server says why'
}

/** The first rule of the schema that was broken, and the parameter that broke it. */
function invalid(error: FastifyError): Answer {
  const { keyword, params, instancePath, message } = error.validation![0]!
  if (keyword === 'required') {
    const parameter = String(params.missingProperty)
    return { status: 400, detail: `${parameter} is missing`, parameter }
  }
  if (keyword === 'additionalProperties') {
    const parameter = String(params.additionalProperty)
    return { status: 400, detail: `there is no parameter ${JSON.stringify(parameter)}`, parameter }
  }
  const parameter = instancePath.split('/')[1] ?? ''
  const allowed = Array.isArray(params.allowedValues) ? `: ${params.allowedValues.join(', ')}` : ''
  return { status: 400, detail: `${parameter} ${message}${allowed}`, parameter }
}

function logFault(faults: LogThrottle, err: FastifyError, answer: Answer, request: FastifyRequest): void {
  const fields = { err, path: pathOf(request.url) }
  if (answer.status < 500) return
  if (err instanceof StoreError) logStoreFault(faults, err)
  else if (err instanceof OverloadError) faults.warn(err.name, fields, 'a client was turned away')
  else faults.error(err.message.slice(0, 80), fields, 'a request failed')
}

/** For the operator: what clients are not told. */
export function logStoreFault(faults: LogThrottle, err: StoreError): void {
  if (err.kind === 'away') faults.warn('store away', { err }, 'the store does not answer')
  else faults.error('store refuses', { err }, 'the store refuses a query: check its credentials and names')
}

function pathOf(url: string): string {
  return url.split('?', 1)[0]!
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, answer: Answer): FastifyReply {
  const { status, detail, parameter, retryAfterSeconds } = answer
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds)
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .send(problemDocument({ status, detail, instance: pathOf(request.url), parameter }))
}
