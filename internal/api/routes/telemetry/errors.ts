import type { FastifyError, FastifyRequest } from 'fastify'
import { answerTo, pathOf, sendProblem, type Translate } from '../../../http/answer-errors.ts'
import type { App } from '../../../http/app-types.ts'
import { HttpError, type HttpErrorOptions, UnknownPathError } from '../../../http/errors.ts'
import type { LogThrottle } from '../../../observe/log-throttle.ts'

/** An error with the words that programs compare: those of plain text are other ones than those of a problem document. */
export class TelemetryError extends HttpError {
  readonly plain: string

  constructor(status: number, plain: string, detail = plain, options: HttpErrorOptions = {}) {
    super(status, detail, options)
    this.plain = plain
  }
}

/** In the words that older clients compare. */
export function missing(parameter: string): TelemetryError {
  const text = `Missing ${parameter} parameter`
  return new TelemetryError(400, text, text, { parameter })
}

const JSON_ASKED = /application\/(?:problem\+)?json(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i

/** Answers errors with a line of plain text, and with a problem document whoever asks for JSON, or by `metric_name`. */
export function answerInPlainText(app: App, faults: LogThrottle, translate: Translate): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const answer = missingIn(error) ?? answerTo(error, translate)
    if (!reply.raw.destroyed) answer.log(faults, pathOf(request.url))
    reply.header('vary', 'accept')
    if (isJsonAsked(request)) return sendProblem(request, reply, answer)
    const text = answer instanceof TelemetryError ? answer.plain : answer.detail
    reply.code(answer.status).headers(answer.headers()).header('cache-control', 'no-store')
    return reply.type('text/plain; charset=utf-8').send(`${text}\n`)
  })
  app.setNotFoundHandler(async (request) => {
    throw new UnknownPathError(pathOf(request.url))
  })
}

/** A schema says it in other words. */
function missingIn({ validation, validationContext }: FastifyError): TelemetryError | undefined {
  const { keyword, params, instancePath = '' } = validation?.[0] ?? {}
  if (validationContext !== 'querystring') return undefined
  if (keyword === 'required') return missing(String(params?.missingProperty))
  return keyword === 'minLength' ? missing(instancePath.slice(1)) : undefined
}

function isJsonAsked({ headers, query }: FastifyRequest): boolean {
  return JSON_ASKED.test(headers.accept ?? '') || (query as { metric_name?: unknown }).metric_name !== undefined
}
