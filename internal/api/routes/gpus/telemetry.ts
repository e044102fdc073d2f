import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import { ParameterError } from '../../../http/errors.ts'
import type { RowsQuery, StoredRow, StoreReader } from '../../../store/store.ts'
import type { Clock } from '../../../time/clock.ts'
import { problems } from '../../schemas.ts'
import type { Histories } from '../history.ts'
import { parseTime } from '../history-params.ts'
import type { GpuNames } from './gpu-names.ts'
import { namingOf, pointOf, TEXTS_COUNT_US, Texts, valuesOf } from './points.ts'
import { GpuParams, NAMES, TelemetrySchema, WHICH_GPU } from './schemas.ts'

const [DEFAULT_LIMIT, MAX_LIMIT] = [100, 10_000]
/** Texts of a page; more changes than a second has are not followed. */
const MAX_TEXTS = 5_000

const time = (what: string) =>
  Type.Optional(
    Type.String({
      maxLength: 64,
      description: `${what}: an RFC 3339 time, an integer (µs since the epoch), \`now\`, or a time before now such as \`-1h\`.`,
    }),
  )

const QuerySchema = Type.Object(
  {
    start: time('The first moment. Default: of all that is kept'),
    end: time('The moment before which it ends. Default: now'),
    start_time: time('The same as `start`'),
    end_time: time('The same as `end`'),
    metric: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description:
          'Only this one, by the name of a field or of a metric of any generation of dcgm-exporter: `metric` and `value` then come under that name and in its unit.',
        examples: ['temperature_celsius', 'DCGM_FI_DEV_FB_USED'],
      }),
    ),
    names: NAMES,
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_LIMIT, description: `Values of one answer. Default ${DEFAULT_LIMIT}.` }),
    ),
    after: Type.Optional(Type.String({ maxLength: 64, description: '`next` of the answer before.' })),
    ...WHICH_GPU,
  },
  { additionalProperties: false },
)
type Question = Static<typeof QuerySchema>

export interface GpuTelemetryOptions {
  readonly names: GpuNames
  readonly reader: StoreReader
  readonly histories: Histories
  readonly clock: Clock
}

/** `GET /gpus/{id}/telemetry`: the stored values of a GPU, page by page, the newest first. */
export function addGpuTelemetryRoute(app: App, { names, reader, histories, clock }: GpuTelemetryOptions): void {
  app.get(
    '/gpus/:id/telemetry',
    {
      schema: {
        operationId: 'getGpuTelemetry',
        summary: 'The stored values of a GPU with all that was known of it then',
        tags: ['gpus'],
        params: GpuParams,
        querystring: QuerySchema,
        response: { 200: TelemetrySchema, ...problems(404, 421, 429, 500, 503) },
      },
    },
    async (request): Promise<Static<typeof TelemetrySchema>> => {
      const { hostname, mig, limit = DEFAULT_LIMIT, after, metric, names: generation } = request.query
      const range = rangeOf(request.query, clock.now())
      const page = after === undefined ? undefined : parseCursor(after)
      const { id, tags } = await names.find({ id: request.params.id, hostname, mig })
      const naming = namingOf(metric, generation === 'dcgm')
      const skip = page?.skip ?? 0
      const query: RowsQuery = {
        ...{ measurement: 'gpu', tags, first: 'newest', limit: limit + skip + 1 },
        ...{ startUs: range.startUs, endUs: Math.min(range.endUs, (page?.atUs ?? Infinity) + 1) },
        ...(naming.fields === undefined ? {} : { fields: naming.fields }),
      }
      return histories.ask(request.signal, async (signal) => {
        const rows = query.startUs < query.endUs ? await reader.rows(query, signal) : []
        const values = valuesOf(rows)
        const shown = values.slice(skip, skip + limit)
        const texts = new Texts(
          shown.length === 0
            ? []
            : await textsOf(
                shown.map(({ row }) => row),
                query,
                signal,
              ),
        )
        return {
          gpu_id: id,
          count: shown.length,
          data: shown.map((value) => pointOf(value, texts, naming)),
          next: values.length > skip + limit ? cursorBehind(values, skip + limit) : null,
        }
      })
    },
  )

  /** What was known of the GPU while the rows came. */
  function textsOf(rows: readonly StoredRow[], query: RowsQuery, signal: AbortSignal): Promise<StoredRow[]> {
    const { fields: _all, ...of } = query
    const startUs = Math.max(0, rows.at(-1)!.at - TEXTS_COUNT_US)
    const endUs = rows[0]!.at + TEXTS_COUNT_US
    return reader.rows({ ...of, measurement: 'gpu_info', startUs, endUs, limit: MAX_TEXTS }, signal)
  }
}

/** @throws ParameterError */
function rangeOf(question: Question, nowUs: number): { startUs: number; endUs: number } {
  const startUs = parseTime(...either(question, 'start', '0'), nowUs)
  const endUs = parseTime(...either(question, 'end', 'now'), nowUs)
  if (startUs >= endUs) throw new ParameterError('start', 'start must be before end')
  return { startUs, endUs }
}

function either(question: Question, name: 'start' | 'end', usual: string): [parameter: string, text: string] {
  const other = `${name}_time` as const
  if (question[name] !== undefined && question[other] !== undefined) {
    throw new ParameterError(other, `${name} and ${other} are the same: give one of them`)
  }
  return question[other] === undefined ? [name, question[name] ?? usual] : [other, question[other]]
}

/** Which values a page ends with: so many of those of one time. Whatever comes later is newer, or of a time that is passed. */
function cursorBehind(values: ReadonlyArray<{ readonly row: StoredRow }>, count: number): string {
  const { at } = values[count - 1]!.row
  let first = count - 1
  while (first > 0 && values[first - 1]!.row.at === at) first--
  return `${at}-${count - first}`
}

/** @throws ParameterError */
function parseCursor(after: string): { atUs: number; skip: number } {
  const [, at, skip] = /^(\d{1,16})-(\d{1,7})$/.exec(after) ?? []
  if (at === undefined || Number(skip) > 10 * MAX_LIMIT)
    throw new ParameterError('after', 'it is no `next` of an answer')
  return { atUs: Number(at), skip: Number(skip) }
}
