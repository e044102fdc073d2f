import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import { ParameterError } from '../../../http/errors.ts'
import { escapeName, parseNames } from '../../names.ts'
import { GpuHistorySchema, problems } from '../../schemas.ts'
import { HISTORY_PARAMS, type Histories } from '../history.ts'
import { MAX_FIELDS_ASKED } from '../history-params.ts'
import type { GpuNames } from './gpu-names.ts'
import { GPU, namedSeries } from './named-series.ts'
import { type Naming, namingOf } from './points.ts'
import { GpuParams, NAMES, WHICH_GPU } from './schemas.ts'

/** A metric may be stored under two fields. */
const MAX_METRICS_ASKED = MAX_FIELDS_ASKED / 2

const QuerySchema = Type.Object(
  {
    measurement: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'Default: `gpu`.' })),
    ...HISTORY_PARAMS,
    field: Type.Optional({
      ...HISTORY_PARAMS.field,
      description: `${HISTORY_PARAMS.field.description} This or \`metric\`.`,
    }),
    metric: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 8192,
        description: `In place of \`field\`: names of fields, or of metrics of any generation of dcgm-exporter, with commas between them, at most ${MAX_METRICS_ASKED}. Each comes under that name and in its unit, minima, maxima and percentiles too.`,
        examples: ['DCGM_FI_DEV_FB_USED,temperature_celsius'],
      }),
    ),
    names: NAMES,
    ...WHICH_GPU,
  },
  { additionalProperties: false },
)

/** `GET /gpus/{id}/metrics`: the history of a GPU, from the store. */
export function addGpuHistoryRoute(app: App, names: GpuNames, histories: Histories): void {
  app.get(
    '/gpus/:id/metrics',
    {
      schema: {
        operationId: 'getGpuHistory',
        summary: 'The history of one or several fields of a GPU, aggregated by time',
        tags: ['gpus'],
        params: GpuParams,
        querystring: QuerySchema,
        response: { 200: GpuHistorySchema, ...problems(404, 421, 429, 500, 503) },
      },
    },
    async (request): Promise<Static<typeof GpuHistorySchema>> => {
      const { hostname, mig, measurement = GPU, names: generation, metric, field, ...params } = request.query
      const namings = namingsOf(measurement, metric, field, generation === 'dcgm')
      const { id, tags } = await names.find({ id: request.params.id, hostname, mig })
      const fields = field ?? namings.flatMap(({ fields = [] }) => fields.map(escapeName)).join()
      const query = { ...params, measurement, field: fields }
      const history = await histories.get(
        { tags, params: query, isKnown: async () => true, what: `a GPU ${id}` },
        request.signal,
      )
      return { gpu_id: id, ...history, series: namedSeries(history.series, namings) }
    },
  )
}

/** @throws ParameterError */
function namingsOf(
  measurement: string,
  metric: string | undefined,
  field: string | undefined,
  dcgm: boolean,
): readonly Naming[] {
  if (metric !== undefined && field !== undefined) throw new ParameterError('metric', 'give field or metric, not both')
  if (metric === undefined && field === undefined) throw new ParameterError('field', 'give field or metric')
  if (metric === undefined) return [namingOf(undefined, dcgm && measurement === GPU)]
  if (measurement !== GPU)
    throw new ParameterError('metric', `metrics are those of the measurement ${GPU}: ask for a field`)
  const asked = [...new Set(parseNames('metric', metric))]
  if (asked.length > MAX_METRICS_ASKED)
    throw new ParameterError('metric', `${asked.length} metrics; at most ${MAX_METRICS_ASKED} are allowed`)
  return asked.map((name) => namingOf(name, dcgm))
}
