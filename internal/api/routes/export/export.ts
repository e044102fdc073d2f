import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../../../http/app-types.ts'
import { HttpError, NotFoundError, OverloadError, ParameterError } from '../../../http/errors.ts'
import { cleanText } from '../../../sample/border.ts'
import { type ScanQuery, scanRows } from '../../../store/scan.ts'
import { StoreError, type StoredRow, type StoreReader } from '../../../store/store.ts'
import type { Clock } from '../../../time/clock.ts'
import { parseNames, parsePair } from '../../names.ts'
import { problems } from '../../schemas.ts'
import type { Histories } from '../history.ts'
import { parseTime } from '../history-params.ts'
import { csvFormat, lineFormat, type TextFormat } from './formats.ts'

/** Each reads as fast as its client does, and disturbs the others. */
const MAX_EXPORTS = 2
/** How long a file may take to be written, ms. */
const FILE_TIMEOUT_MS = 600_000

const TYPES = {
  csv: 'text/csv; charset=utf-8',
  lp: 'text/plain; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
} as const
type Format = keyof typeof TYPES

const QuerySchema = Type.Object(
  {
    format: Type.Unsafe<Format>({
      type: 'string',
      enum: Object.keys(TYPES),
      description:
        '`csv`: a column for `time`, each tag and field. `lp`: line protocol. `parquet`: Apache Parquet, where DuckDB stores the samples.',
    }),
    measurement: Type.String({ minLength: 1, maxLength: 256, examples: ['gpu'] }),
    start: Type.Optional(Type.String({ maxLength: 64, description: 'As of a history. Default `-1h`.' })),
    end: Type.Optional(Type.String({ maxLength: 64, description: 'As of a history. Default `now`.' })),
    field: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 8192,
        description: 'Only these fields, with commas between them, and samples that have one of them.',
      }),
    ),
    tag: Type.Optional(
      Type.Array(Type.String({ maxLength: 2048 }), {
        maxItems: 8,
        description: 'key=value that each sample must have, or key= for those without this tag; may be repeated.',
      }),
    ),
  },
  { additionalProperties: false },
)

export interface ExportOptions {
  readonly reader: StoreReader
  readonly histories: Histories
  readonly clock: Clock
}

/** `GET /query/export`: the samples of a range as they are stored, as a file of any length. */
export function addExportRoute(app: App, { reader, histories, clock }: ExportOptions): void {
  let running = 0
  app.get(
    '/query/export',
    {
      schema: {
        operationId: 'exportSamples',
        summary: 'The samples of a range as a file, the oldest first',
        tags: ['export'],
        querystring: QuerySchema,
        response: {
          200: {
            description: 'The file. Where it ends early, the connection breaks. Times are exact to 1 µs in csv and lp.',
            content: Object.fromEntries(
              Object.values(TYPES).map((type) => [type.split(';')[0]!, { schema: Type.String() }]),
            ),
          },
          ...problems(404, 421, 429, 500, 501, 503),
        },
      },
    },
    async (request, reply) => {
      const { format } = request.query
      const query = parseQuery(request.query, clock.now())
      if (format === 'parquet' && reader.writeParquet === undefined) {
        const what = 'this store writes no Parquet: DuckDB does, which `sentinel up` has without INFLUX_URL'
        throw new HttpError(501, `${what}; ask for format=csv or format=lp`, { parameter: 'format' })
      }
      if (running >= MAX_EXPORTS) throw new OverloadError(`${running} files are being read already`)
      running++
      try {
        const body = format === 'parquet' ? await parquet(query, request) : await textStream(format, query, request)
        body.stream.once('close', () => running--)
        const name = query.measurement.replaceAll(/[^\w.-]/g, '_')
        return send(reply, format, name, body)
      } catch (error) {
        running--
        throw tooMuchAt('start', error)
      }
    },
  )

  async function textStream(format: 'csv' | 'lp', query: ScanQuery, request: FastifyRequest): Promise<Body> {
    const ask = <T>(question: (signal: AbortSignal) => Promise<T>): Promise<T> =>
      histories.ask(request.signal, question)
    const kinds = await ask((signal) => reader.fieldKinds(query.measurement, signal))
    if (kinds.size === 0) throw new NotFoundError(`no sample of ${JSON.stringify(query.measurement)} is kept`)
    let text: TextFormat
    if (format === 'lp') text = lineFormat(query.measurement, kinds)
    else {
      const { measurement, startUs: sinceUs } = query
      const series = await ask((signal) => reader.newest({ measurement, sinceUs, values: false }, signal))
      const keys = [...new Set(series.flatMap(({ tags }) => Object.keys(tags)))].sort()
      text = csvFormat(keys, query.fields ?? [...kinds.keys()].sort())
    }
    const chunks = scanRows(reader, query, ask)
    // Whatever fails at once is an answer, and no broken file.
    const first = await chunks.next()
    return { stream: Readable.from(written(text, first.done ? [] : first.value, chunks), { objectMode: false }) }
  }

  async function parquet(query: ScanQuery, request: FastifyRequest): Promise<Body> {
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-export-'))
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
    try {
      const path = join(folder, 'samples.parquet')
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(FILE_TIMEOUT_MS)])
      const kinds = await histories.ask(request.signal, (soon) => reader.fieldKinds(query.measurement, soon))
      if (kinds.size === 0) throw new NotFoundError(`no sample of ${JSON.stringify(query.measurement)} is kept`)
      await reader.writeParquet!(query, path, signal)
      const { size } = await stat(path)
      const stream = createReadStream(path)
      stream.once('close', () => void remove())
      return { stream, size }
    } catch (error) {
      await remove()
      throw error
    }
  }
}

interface Body {
  readonly stream: Readable
  readonly size?: number
}

async function* written(
  text: TextFormat,
  first: readonly StoredRow[],
  rest: AsyncIterable<StoredRow[]>,
): AsyncGenerator<Buffer, void> {
  yield Buffer.concat([Buffer.from(text.head), text.rows(first)])
  for await (const rows of rest) yield text.rows(rows)
}

function send(reply: FastifyReply, format: Format, name: string, { stream, size }: Body): FastifyReply {
  reply.type(TYPES[format]).header('content-disposition', `attachment; filename="${name}.${format}"`)
  if (size !== undefined) reply.header('content-length', size)
  return reply.send(stream)
}

function parseQuery(query: Static<typeof QuerySchema>, nowUs: number): ScanQuery {
  const startUs = parseTime('start', query.start ?? '-1h', nowUs)
  const endUs = parseTime('end', query.end ?? 'now', nowUs)
  if (startUs >= endUs) throw new ParameterError('start', 'start must be before end')
  const tags = Object.fromEntries((query.tag ?? []).map((pair) => parsePair('tag', pair)))
  const fields = query.field === undefined ? {} : { fields: [...new Set(parseNames('field', query.field))] }
  return { measurement: cleanText(query.measurement), tags, startUs, endUs, ...fields }
}

/** What is too much for one answer is asked for in smaller parts. */
function tooMuchAt(parameter: string, error: unknown): unknown {
  if (!(error instanceof StoreError && error.kind === 'too_much')) return error
  return new ParameterError(parameter, error.message)
}
