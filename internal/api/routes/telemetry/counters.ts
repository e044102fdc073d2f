import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { App } from '../../../http/app-types.ts'
import { HttpError, OverloadError, ParameterError } from '../../../http/errors.ts'
import { unconditionalAnswers } from '../../schemas.ts'

/** 100,000 ports of 37 columns have 35 MB. */
const MAX_BODY_BYTES = 64 * 2 ** 20
/** They wait in memory, each with its body. */
const MAX_WAITING = 4

const TakenSchema = Type.Object(
  { rows: Type.Integer(), badRows: Type.Integer(), badCells: Type.Integer() },
  { description: 'The broker has the good rows.' },
)

const CsvSchema = Type.String({
  description:
    'All rows, as a source reads them: see docs/fabric.md. Also as `text/plain` or `application/octet-stream`.',
  examples: ['switch_id,latency_ms\nsw1,0.5\n'],
})

const RowsSchema = Type.Array(
  Type.Object({
    switch_id: Type.String({ minLength: 1, maxLength: 1024 }),
    metric: Type.String({ minLength: 1, maxLength: 1024 }),
    value: Type.Union([Type.Number(), Type.String({ maxLength: 65_536 })]),
  }),
  { minItems: 1, description: 'Some values, which stay beside those of before.' },
)

type Rows = Static<typeof RowsSchema>

/** Columns that are no metrics. */
const NO_METRICS: ReadonlySet<string> = new Set(['switch_id', 'timestamp'])

/** Takes rows of a fabric: see PushedRows. It rejects with an HttpError where the rows, or the broker, are the reason. */
export type TakeCounters = (table: Buffer, isWhole: boolean) => Promise<Static<typeof TakenSchema>>

/** `POST /counters`: takes rows that are pushed, CSV or JSON. */
export function addCounters(app: App, take: TakeCounters): void {
  let waiting = 0
  const types = ['text/csv', 'text/plain', 'application/json', 'application/octet-stream']
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, done) =>
    done(null, body),
  )
  app.post(
    '/counters',
    {
      config: { takesBody: true },
      bodyLimit: MAX_BODY_BYTES,
      schema: {
        operationId: 'pushCounters',
        summary: 'Takes rows of the fabric `default`: CSV with all of them, or JSON with some',
        tags: ['fabric'],
        body: {
          content: { 'text/csv': { schema: CsvSchema }, 'application/json': { schema: RowsSchema } },
        },
        response: { 202: TakenSchema, ...unconditionalAnswers(403, 415) },
      },
      // The body is bytes, and its reader says what is wrong with them.
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      for (const name in request.query as object)
        throw new ParameterError(name, `there is no parameter ${JSON.stringify(name)}`)
      const body = request.body as Buffer | undefined
      if (body === undefined || body.length === 0) throw new HttpError(400, 'the body is empty')
      if (request.headers['content-encoding'] !== undefined) throw new HttpError(415, 'a body must not be packed')
      if (waiting >= MAX_WAITING) throw new OverloadError(`${waiting} pushes wait already`)
      const isJson = String(request.headers['content-type']).startsWith('application/json')
      const table = isJson ? tableOf(body) : withEnd(body)
      waiting++
      try {
        const taken = await take(table, !isJson)
        return await reply.code(202).send(taken)
      } finally {
        waiting--
      }
    },
  )
}

/** The rows of JSON as a table: a row a switch, a column a metric. @throws HttpError */
function tableOf(body: Buffer): Buffer {
  const rows = parsed(body)
  const metrics = new Map<string, number>()
  const switches = new Map<string, string[]>()
  for (const { switch_id: id, metric, value } of rows) {
    if (NO_METRICS.has(metric.toLowerCase())) throw new HttpError(400, `${metric} is no metric`)
    const column = metrics.get(metric) ?? metrics.size
    metrics.set(metric, column)
    const cells = switches.get(id) ?? []
    switches.set(id, cells)
    cells[column] = cellOf(value)
  }
  const header = ['switch_id', ...[...metrics.keys()].map(cellOf)].join(',')
  const lines = Array.from(switches, ([id, cells]) =>
    [cellOf(id), ...Array.from(metrics, (_, column) => cells[column] ?? '')].join(','),
  )
  return Buffer.from(`${[header, ...lines].join('\n')}\n`)
}

function parsed(body: Buffer): Rows {
  let rows: unknown
  try {
    rows = JSON.parse(body.toString())
  } catch (cause) {
    throw new HttpError(400, 'the body is no JSON', { cause })
  }
  if (Value.Check(RowsSchema, rows)) return rows.some(isLarge) ? (JSON.parse(body.toString(), exact) as Rows) : rows
  const [problem] = [...Value.Errors(RowsSchema, rows)]
  throw new HttpError(
    400,
    `the body is no list of {"switch_id", "metric", "value"}: ${problem?.path ?? ''} ${problem?.message ?? ''}`,
  )
}

function isLarge({ value }: Rows[number]): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value)
}

/**
 * Keeps the digits of an integer that JSON.parse has rounded: another value would be shown than the one that was sent.
 *
 * @param context Node.js before 21 gives none
 */
function exact(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (key !== 'value' || !Number.isInteger(value) || Number.isSafeInteger(value)) return value
  if (context?.source === undefined)
    throw new HttpError(400, `${value} is beyond 2^53: write the digits of such an integer as a text`)
  return /^-?\d+$/.test(context.source) ? context.source : value
}

function cellOf(value: string | number): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A client may leave out the end of the last line: its Content-Length says that nothing is missing. */
function withEnd(body: Buffer): Buffer {
  return body.at(-1) === 0x0a ? body : Buffer.concat([body, Buffer.from('\n')])
}
