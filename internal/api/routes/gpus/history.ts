import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import { GpuHistorySchema, problems } from '../../schemas.ts'
import { HISTORY_PARAMS, type Histories } from '../history.ts'
import type { GpuNames } from './gpu-names.ts'
import { GpuParams, WHICH_GPU } from './schemas.ts'

const QuerySchema = Type.Object(
  {
    measurement: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'Default: `gpu`.' })),
    ...HISTORY_PARAMS,
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
      const { hostname, mig, measurement = 'gpu', ...params } = request.query
      const { id, tags } = await names.find({ id: request.params.id, hostname, mig })
      const asked = { tags, params: { ...params, measurement }, isKnown: async () => true, what: `a GPU ${id}` }
      return { gpu_id: id, ...(await histories.get(asked, request.signal)) }
    },
  )
}
