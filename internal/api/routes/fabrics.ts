import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../http/app-types.ts'
import type { FabricGeneration } from '../../view/fabric/fabric-generation.ts'
import type { FabricView } from '../../view/fabric/fabric-view.ts'
import { type Group, groupsOf } from '../../view/fabric/groups.ts'
import { valueJson } from '../../view/fabric/json.ts'
import { Slices } from '../../view/fabric/slices.ts'
import { problems } from '../schemas.ts'
import { sendJson } from '../send-json.ts'
import { type Answer, Answers } from './telemetry/answers.ts'
import { askedFabric, checkMetric, FabricParam } from './telemetry/asked-fabric.ts'

const FabricsSchema = Type.Object(
  {
    fabrics: Type.Array(
      Type.Object({
        fabric: Type.String(),
        subject: Type.Union([Type.Literal('switch'), Type.Literal('fabric_port')], {
          description: 'What a row is about.',
        }),
        generation: Type.String({ description: 'Another one with each change.' }),
        ageMs: Type.Integer({ description: 'How long ago its oldest values were known to be true, ms.' }),
        intervalMs: Type.Number({
          description: 'How often its targets are asked, or rows are pushed; 0 before the second push.',
        }),
        stale: Type.Boolean({
          description: 'Whether one of the targets is whose rows are shown: see `/telemetry/stats`.',
        }),
        rows: Type.Integer(),
        switches: Type.Integer(),
        metrics: Type.Array(
          Type.Object({
            name: Type.String(),
            kind: Type.Union([Type.Literal('int'), Type.Literal('float'), Type.Literal('text')]),
            isCounter: Type.Boolean({ description: 'Whether it only rises, until it is cleared.' }),
          }),
        ),
        targets: Type.Array(
          Type.Object({
            target: Type.String(),
            up: Type.Boolean(),
            ageMs: Type.Integer(),
            error: Type.Optional(Type.String()),
          }),
        ),
      }),
    ),
  },
  { description: 'The fabrics.' },
)
type FabricAnswer = Static<typeof FabricsSchema>['fabrics'][number]

const CellsQuerySchema = Type.Object(
  {
    fabric: FabricParam,
    metric: Type.String({ minLength: 1, maxLength: 1024 }),
    by: Type.Optional(
      Type.Unsafe<'value' | 'rate'>({ type: 'string', enum: ['value', 'rate'], description: 'Default `value`.' }),
    ),
  },
  { additionalProperties: false },
)

const CellsSchema = Type.Object(
  {
    generation: Type.String(),
    atUs: Type.Integer({ description: 'When the generation was put together, µs.' }),
    ids: Type.Array(Type.String()),
    values: Type.Array(Type.Unsafe<unknown>({ type: ['number', 'string', 'null'] }), {
      description: 'In the order of `ids`; null where there is none.',
    }),
    groups: Type.Array(Type.Object({ name: Type.String(), count: Type.Integer() }), {
      description:
        'How many of the ids belong to each switch, in their order; one without a name where rows are switches.',
    }),
  },
  { description: 'One metric of all rows, the ports of a switch one after the other, in natural order.' },
)

/** `GET /fabrics` and `GET /fabrics/cells`: what a map of fabrics is drawn from. */
export function addFabricRoutes(app: App, view: FabricView): void {
  const answers = new Answers()
  const groups = new WeakMap<FabricGeneration, Promise<readonly Group[]>>()
  const groupsNow = (generation: FabricGeneration): Promise<readonly Group[]> => {
    const known = groups.get(generation) ?? generation.during(groupsOf(generation))
    groups.set(generation, known)
    return known
  }
  app.get(
    '/fabrics',
    {
      schema: {
        operationId: 'listFabrics',
        summary: 'The switch fabrics, and how fresh they are',
        tags: ['fabric'],
        response: { 200: FabricsSchema, ...problems(421, 429, 500) },
      },
    },
    async () => ({
      fabrics: await Promise.all(
        view.names.map(async (name) => {
          const shown = view.shown(name)!
          return fabricAnswer(view, shown, await groupsNow(shown))
        }),
      ),
    }),
  )
  app.get(
    '/fabrics/cells',
    {
      schema: {
        operationId: 'cellsOfFabric',
        summary: 'One metric of all switches or ports',
        tags: ['fabric'],
        querystring: CellsQuerySchema,
        response: { 200: CellsSchema, ...problems(404, 421, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { fabric, metric, by = 'value' } = request.query
      const generation = askedFabric(view, fabric)
      checkMetric(generation, metric)
      const make = async (): Promise<Answer> => cellsOf(generation, await groupsNow(generation), metric, by)
      const { body } = await answers.get(generation, JSON.stringify([metric, by]), make)
      return sendJson(reply, body)
    },
  )
}

function fabricAnswer(view: FabricView, generation: FabricGeneration, groups: readonly Group[]): FabricAnswer {
  const { fabric, id, rows, metrics, targets } = generation
  const states = view.states(fabric)
  const shown = states.filter(({ isCovered }) => !isCovered)
  const subject = targets[0]?.snapshot.parts.subject ?? 'switch'
  return {
    ...{ fabric, subject, generation: id, rows, switches: subject === 'switch' ? rows : groups.length },
    ageMs: Math.round(Math.max(0, ...shown.map(({ ageMs }) => ageMs))),
    intervalMs: Math.max(0, ...shown.map(({ intervalMs }) => intervalMs)),
    stale: shown.some(({ stale }) => stale),
    metrics: metrics.map(({ name, kind }) => ({ name, kind, isCounter: kind === 'int' })),
    targets: states.map(({ target: { target, up, error }, ageMs }) => ({
      ...{ target, up, ageMs: Math.round(ageMs) },
      ...(error === undefined ? {} : { error }),
    })),
  }
}

async function cellsOf(
  generation: FabricGeneration,
  groups: readonly Group[],
  metric: string,
  by: 'value' | 'rate',
): Promise<Answer> {
  const slices = new Slices()
  const ids: string[] = []
  const values: string[] = []
  for (const row of groups.flatMap(({ rows }) => rows)) {
    const target = generation.targetOf(row)
    const [own, column] = [row - target.firstRow, target.snapshot.columnOf(metric)]
    ids.push(JSON.stringify(target.snapshot.id(own)))
    const value = by === 'value' ? target.snapshot.value(own, column) : target.change(own, column).rate
    values.push(valueJson(value) ?? 'null')
    if (slices.isOver) await slices.pause()
  }
  const head = JSON.stringify({
    ...{ generation: generation.id, atUs: generation.madeAtUs },
    groups: groups.map(({ name, rows }) => ({ name, count: rows.length })),
  })
  return { body: Buffer.from(`${head.slice(0, -1)},"ids":[${ids.join(',')}],"values":[${values.join(',')}]}`) }
}
