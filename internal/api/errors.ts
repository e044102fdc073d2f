import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { StoreError } from '../store/store.ts'
import type { Api } from './app-types.ts'
import { ParameterError } from './history-params.ts'

/** What was asked for is not there: status 404. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError'
}

/** All places are taken: status 503, and worth another try in a second. */
export class OverloadError extends Error {
  override readonly name = 'OverloadError'
}

/** What a client is told of an error: never more than it can use. */
interface Answer {
  readonly status: number
  readonly detail: string
  readonly parameter?: string
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

/** For errors that fastify finds before there is a route: a URL that cannot be decoded. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
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
  if (err instanceof StoreError && err.kind === 'away') faults.warn('store away', fields, 'the store does not answer')
  else if (err instanceof StoreError)
    faults.error('store refuses', fields, 'the store refuses a query: check its credentials and names')
  else if (answer.status >= 500) faults.error(err.message.slice(0, 80), fields, 'a request failed')
}

function pathOf(url: string): string {
  return url.split('?', 1)[0]!
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, answer: Answer): FastifyReply {
  const { status, detail, parameter, retryAfterSeconds } = answer
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds)
  return reply
    .code(status)
    .type('application/problem+json')
    .header('cache-control', 'no-store')
    .send(problem(status, detail, pathOf(request.url), parameter))
}

function problem(status: number, detail: string, instance: string, parameter?: string): string {
  return JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail, instance, parameter })
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers, or the URL, are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not arrive in time'],
}

/** Answers bytes that are no request, straight on the socket: there is no reply to speak of. */
export function answerClientError(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, detail] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'this is no HTTP request']
  const body = problem(status, detail, '')
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
