import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answerTo, pathOf } from '../../../http/answer-errors.ts'
import type { App } from '../../../http/app-types.ts'
import { HttpError } from '../../../http/errors.ts'
import { STATUS_CODES } from '../../../http/node-http.ts'
import type { Desk, TakenLines } from '../../../intake/desk.ts'
import type { LineProblem, LineProblems } from '../../../intake/line-reader.ts'
import { problems } from '../../schemas.ts'
import { answerOfIntake, DURABLE_HEADER } from './answers.ts'

/** Reads the body of a request, and has it taken. */
export type TakeBody = <T>(request: FastifyRequest, take: (desk: Desk, body: Buffer) => Promise<T>) => Promise<T>

/** The two ways in which InfluxDB takes line protocol. */
interface Dialect {
  readonly path: string
  readonly operationId: string
  readonly summary: string
  readonly units: Readonly<Record<string, number>>
  readonly badPrecision: string
  /** Whether one bad line leaves nothing of a body. */
  readonly allOrNothing: boolean
  /** Of lines that are understood and not taken. */
  readonly partialStatus: number
}

const V2: Dialect = {
  path: '/api/v2/write',
  operationId: 'writeV2',
  summary: 'Takes line protocol as InfluxDB 2 does: one bad line, and nothing is taken',
  units: { ns: 1, us: 1000, ms: 1e6, s: 1e9 },
  badPrecision: 'invalid precision; valid precision units are ns, us, ms, and s',
  allOrNothing: true,
  partialStatus: 422,
}

const V1: Dialect = {
  path: '/write',
  operationId: 'writeV1',
  summary: 'Takes line protocol as InfluxDB 1 does: the good lines are taken',
  units: { n: 1, ns: 1, u: 1000, us: 1000, µ: 1000, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 },
  badPrecision: 'invalid precision; valid precision units are n, u, ms, s, m, and h',
  allOrNothing: false,
  partialStatus: 400,
}

const CODES: Readonly<Record<number, string>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  413: 'request too large',
  422: 'unprocessable entity',
  429: 'too many requests',
  503: 'unavailable',
}

const RefusedSchema = Type.Object(
  {
    code: Type.String({ description: 'As InfluxDB 2 says it.' }),
    message: Type.String({ description: 'Each line that is not taken, and why.' }),
    error: Type.String({ description: 'The same, as InfluxDB 1 says it.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String(),
  },
  { description: 'Not taken, or not all of it.' },
)

/** `POST /api/v2/write` and `POST /write`: what senders to InfluxDB write through. */
export function addWriteRoutes(app: App, takeBody: TakeBody): void {
  for (const dialect of [V2, V1]) addWriteRoute(app, dialect, takeBody)
}

function addWriteRoute(app: App, dialect: Dialect, takeBody: TakeBody): void {
  const refused = { content: { 'application/json': { schema: RefusedSchema } } }
  const { 404: _never, ...common } = problems(415, 503)
  app.post(
    dialect.path,
    {
      config: { takesBody: true },
      schema: {
        operationId: dialect.operationId,
        summary: dialect.summary,
        description:
          'The answer means durable: see docs/intake.md. The database is the one of the settings: `bucket`, `org`, `db` and ' +
          '`rp` are read by nobody, and neither is a token.',
        tags: ['intake'],
        querystring: Type.Object({ precision: Type.Optional(Type.String({ examples: Object.keys(dialect.units) })) }),
        response: {
          204: {
            description: 'All lines are durable.',
            headers: { [DURABLE_HEADER]: Type.String({ enum: ['redis', 'disk'] }) },
            type: 'null',
          },
          ...common,
          ...Object.fromEntries(
            [400, 413, 414, 421, 422, 429, 500, 503].map((status) => [
              status,
              { description: STATUS_CODES[status], ...refused },
            ]),
          ),
        },
      },
      // As InfluxDB does, it answers wrong parameters in its own form, and does not mind unknown ones.
      validatorCompiler: () => () => true,
      serializerCompiler: () => (answer) => JSON.stringify(answer),
      errorHandler: (error, request, reply) => void sendRefusal(request, reply, answerTo(error)),
    },
    async (request, reply) => {
      const { precision = 'ns' } = request.query as { readonly precision?: string }
      const unitNs = Object.hasOwn(dialect.units, precision) ? dialect.units[precision] : undefined
      if (unitNs === undefined) throw new HttpError(400, dialect.badPrecision)
      const done = await takeBody(request, (desk, body) => desk.writeLines(body, unitNs, dialect.allOrNothing)).catch(
        (error) => {
          throw answerOfIntake(error)
        },
      )
      if (done.taken > 0) reply.header(DURABLE_HEADER, done.durable)
      const refusal = refusalOf(done, dialect)
      if (refusal !== undefined) throw refusal
      return reply.code(204).send()
    },
  )
}

/** What a sender is told of lines that are not taken, in the words of InfluxDB. */
function refusalOf(
  { bad, refused, old, taken }: TakenLines,
  { allOrNothing, partialStatus }: Dialect,
): HttpError | undefined {
  if (bad.count > 0) {
    const words = listOf(bad, ({ text, reason }) => `unable to parse '${text}': ${reason}`)
    return new HttpError(400, allOrNothing || taken === 0 ? words : `partial write: ${words} dropped=0`)
  }
  if (old.count > 0) {
    return new HttpError(
      400,
      `partial write: ${listOf(old, ({ text, reason }) => `${text} is ${reason}`)} dropped=${old.count}`,
    )
  }
  if (refused.count === 0) return undefined
  const words = listOf(refused, ({ lineNumber, reason }) => `line ${lineNumber}: ${reason}`)
  const before = allOrNothing ? 'failure writing points to database: ' : ''
  return new HttpError(partialStatus, `${before}partial write: ${words} dropped=${refused.count}`)
}

export function listOf({ first, count }: LineProblems, words: (problem: LineProblem) => string): string {
  const more = count > first.length ? [`and ${count - first.length} more`] : []
  return [...first.map(words), ...more].join('\n')
}

/** A problem, with what clients of both versions of InfluxDB look for. */
function sendRefusal(request: FastifyRequest, reply: FastifyReply, answer: HttpError): void {
  const { status, detail } = answer
  const code = CODES[status] ?? (status < 500 ? 'invalid' : 'internal error')
  reply
    .code(status)
    .headers(answer.headers())
    .headers({ 'x-influxdb-error': firstLine(detail), 'x-platform-error-code': code, 'cache-control': 'no-store' })
    .type('application/json')
    .send({
      code,
      message: detail,
      error: detail,
      title: STATUS_CODES[status],
      status,
      detail,
      instance: pathOf(request.url),
    })
}

/** A header has one line of plain characters. */
function firstLine(text: string): string {
  return text
    .split('\n', 1)[0]!
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 500)
}
