import { Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import type { LatencyRecorder } from '../../../observe/latency.ts'
import type { FabricGeneration } from '../../../view/fabric/fabric-generation.ts'
import type { FabricView } from '../../../view/fabric/fabric-view.ts'
import { rowJson } from '../../../view/fabric/row-json.ts'
import { type TopBy, topRows } from '../../../view/fabric/top-rows.ts'
import { ConditionSchema, FabricRowSchema, GENERATION_HEADERS, telemetryAnswers } from '../../schemas.ts'
import { type Answer, type Answers, isSentAlready, JSON_TYPE, sendAnswer, tagOf } from './answers.ts'
import { askedFabric, checkMetric, FabricParam } from './asked-fabric.ts'
import { TelemetryError } from './errors.ts'

const MOST_ROWS = 1000
const USUAL_ROWS = 15

const QuerySchema = Type.Object(
  {
    metric: Type.String({ minLength: 1, maxLength: 1024, examples: ['PortXmitDiscardsExtended'] }),
    by: Type.Optional(
      Type.Unsafe<TopBy>({
        type: 'string',
        enum: ['value', 'delta', 'rate'],
        description:
          'What is compared: the value, what came on top since the snapshot before, or that a second. Default `value`.',
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_ROWS, description: `Default ${USUAL_ROWS}.` })),
    fabric: FabricParam,
  },
  { additionalProperties: false },
)

const TopSchema = Type.Object({
  fabric: Type.String(),
  generation: Type.String(),
  metric: Type.String(),
  by: Type.String(),
  rows: Type.Array(FabricRowSchema),
})

export interface TopOptions {
  readonly view: FabricView
  readonly answers: Answers
  readonly latency: LatencyRecorder
}

/** `GET /top`: the switches or ports with the largest figures of a metric. */
export function addTop(app: App, { view, answers, latency }: TopOptions): void {
  app.get(
    '/top',
    {
      schema: {
        operationId: 'topOfFabric',
        summary: 'The switches or ports with the largest figures of a metric',
        tags: ['fabric'],
        querystring: QuerySchema,
        headers: ConditionSchema,
        response: {
          200: {
            description: 'The largest first.',
            headers: GENERATION_HEADERS,
            content: { [JSON_TYPE]: { schema: TopSchema } },
          },
          ...telemetryAnswers(),
        },
      },
    },
    async (request, reply) => {
      const begunMs = performance.now()
      const { metric, by = 'value', limit = USUAL_ROWS, fabric } = request.query
      const generation = askedFabric(view, fabric)
      checkMetric(generation, metric)
      if (generation.metrics.find(({ name }) => name === metric)?.kind === 'text')
        throw new TelemetryError(400, `${metric} is a text`, `${metric} is a text, and has no largest value`, { parameter: 'metric' }) // biome-ignore format: one line
      const answer = await answers.get(generation, request.url, () => answerOf(generation, metric, by, limit))
      if (!isSentAlready(request, reply, tagOf(generation.changesId))) sendAnswer(reply, answer)
      latency.record(Math.round((performance.now() - begunMs) * 1000))
      return reply
    },
  )
}

async function answerOf(generation: FabricGeneration, metric: string, by: TopBy, limit: number): Promise<Answer> {
  const rows = await topRows(generation, metric, by, limit)
  const head = JSON.stringify({ fabric: generation.fabric, generation: generation.id, metric, by })
  const list = rows.map((row) => rowJson(generation, row, { metric })).join(',')
  return { body: Buffer.from(`${head.slice(0, -1)},"rows":[${list}]}`) }
}
