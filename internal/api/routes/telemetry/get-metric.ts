import { Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import type { Ready, ReadyAnswer } from '../../../http/fast-lane.ts'
import type { LatencyRecorder } from '../../../observe/latency.ts'
import type { FabricGeneration } from '../../../view/fabric/fabric-generation.ts'
import type { FabricView } from '../../../view/fabric/fabric-view.ts'
import { valueJson } from '../../../view/fabric/json.ts'
import type { TargetRows } from '../../../view/fabric/target-rows.ts'
import { ConditionSchema, GENERATION_HEADERS, telemetryAnswers } from '../../schemas.ts'
import { isSentAlready, JSON_TYPE, readyJson, ShortAnswers, sendShort, tagOf } from './answers.ts'
import { askedFabric, askedRow, FabricParam } from './asked-fabric.ts'
import { missing, TelemetryError } from './errors.ts'

const QuerySchema = Type.Object({
  switch_id: Type.String({ description: 'A switch, or a port: `<guid>_<port>`. In any case.', examples: ['sw5'] }),
  metric: Type.Optional(Type.String({ description: 'The answer is the bare value.', examples: ['latency_ms'] })),
  metric_name: Type.Optional(Type.String({ description: 'In place of `metric`: the answer is an object.' })),
  fabric: FabricParam,
})

const ValueSchema = Type.Unsafe<unknown>({
  type: ['number', 'string', 'object'],
  description: 'The value, or an object with it.',
})

/** What the parser of the URL may give: nothing, a text, or a list where a name stands twice. */
type Asked = Readonly<Record<'switch_id' | 'metric' | 'metric_name' | 'fabric', string | string[] | undefined>>

const KNOWN = new Set(Object.keys(QuerySchema.properties))

/**
 * `GET /GetMetric`: one value, as it is now. The hot path of this API: no check by schema, whose words would be others
 * than those that clients compare, and no compression of a few bytes.
 */
export function addGetMetric(app: App, view: FabricView, latency: LatencyRecorder): void {
  app.get(
    '/GetMetric',
    {
      schema: {
        operationId: 'getMetric',
        summary: 'One value of a switch or port, as it is now',
        tags: ['fabric'],
        querystring: QuerySchema,
        headers: ConditionSchema,
        response: {
          200: {
            description: 'The value.',
            headers: GENERATION_HEADERS,
            content: { [JSON_TYPE]: { schema: ValueSchema } },
          },
          ...telemetryAnswers(),
        },
      },
      validatorCompiler: () => () => true,
      compress: false,
    },
    (request, reply): void => {
      const begunMs = performance.now()
      const asked = request.query as Asked
      const { switchId, metric: name, metricName } = checked(asked)
      const generation = askedFabric(view, asked.fabric as string | undefined)
      const row = askedRow(generation, switchId)
      const target = generation.targetOf(row)
      const value = valueJson(target.snapshot.value(row - target.firstRow, target.snapshot.columnOf(name)))
      if (value === undefined) throw unknownMetric(target, row, name)
      if (!isSentAlready(request, reply, tagOf(generation.id)))
        sendShort(reply, metricName === undefined ? value : named(target, row, name, value))
      latency.record(Math.round((performance.now() - begunMs) * 1000))
    },
  )
}

/** As clients ask: no character that a URL writes in another way. */
const PLAIN = /^[^?]*\?switch_id=([\w.:~-]+)&metric=([\w.:~-]+)$/

/** The same without fastify, where it is asked as clients do and there is one fabric. */
export function readyValue(view: FabricView): Ready {
  const answers = new ShortAnswers()
  return ({ url }) => {
    const generation = view.only
    return generation && answers.get(generation, url!, () => plainAnswer(generation, url!))
  }
}

function plainAnswer(generation: FabricGeneration, url: string): ReadyAnswer | undefined {
  const [, switchId, metric] = PLAIN.exec(url) ?? []
  const row = switchId === undefined ? -1 : generation.find(switchId)
  if (row < 0) return undefined
  const { snapshot, firstRow } = generation.targetOf(row)
  const value = valueJson(snapshot.value(row - firstRow, snapshot.columnOf(metric!)))
  return value === undefined ? undefined : readyJson(generation, value)
}

/** @throws TelemetryError that names the first parameter that is missing: the switch comes first */
function checked(asked: Asked): { switchId: string; metric: string; metricName: string | undefined } {
  for (const name in asked) {
    if (!KNOWN.has(name)) throw refused(name, `there is no parameter ${JSON.stringify(name)}`)
    if (Array.isArray(asked[name as keyof Asked])) throw refused(name, `${name} is given twice`)
  }
  const { switch_id: switchId, metric, metric_name: metricName } = asked as Readonly<Record<string, string | undefined>>
  if (switchId === undefined || switchId === '') throw missing('switch_id')
  if (metric !== undefined && metricName !== undefined) throw refused('metric_name', 'metric_name stands in place of metric: give one of them') // biome-ignore format: one line
  const name = metricName ?? metric
  if (name === undefined || name === '') throw missing('metric')
  return { switchId, metric: name, metricName }
}

function refused(parameter: string, text: string): TelemetryError {
  return new TelemetryError(400, text, text, { parameter })
}

function named({ snapshot, firstRow }: TargetRows, row: number, metric: string, value: string): string {
  const id = JSON.stringify(snapshot.id(row - firstRow))
  return `{"switch_id":${id},"metric_name":${JSON.stringify(metric)},"value":${value}}`
}

function unknownMetric({ snapshot, firstRow }: TargetRows, row: number, metric: string): TelemetryError {
  const names = snapshot.parts.columns.map(({ name }) => name).join(', ')
  const detail = `Metric '${metric}' not found for switch '${snapshot.id(row - firstRow)}'. Valid metrics are: ${names}`
  return new TelemetryError(404, 'metric does not exist', detail)
}
