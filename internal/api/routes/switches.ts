import { Type } from '@sinclair/typebox'
import { DEFAULT_FABRIC } from '../../fabric/generation.ts'
import type { App } from '../../http/app-types.ts'
import { ParameterError } from '../../http/errors.ts'
import { cleanText } from '../../sample/border.ts'
import type { HistoryQuery, StoreReader } from '../../store/store.ts'
import type { Clock } from '../../time/clock.ts'
import type { FabricGeneration } from '../../view/fabric/fabric-generation.ts'
import type { FabricView } from '../../view/fabric/fabric-view.ts'
import { rowJson } from '../../view/fabric/row-json.ts'
import { FabricRowSchema, problems, type SwitchHistoryAnswer, SwitchHistorySchema } from '../schemas.ts'
import { sendJson } from '../send-json.ts'
import { HISTORY_PARAMS, type Histories } from './history.ts'
import { askedFabric, checkMetric, FabricParam } from './telemetry/asked-fabric.ts'
import { firstAfter } from './telemetry/list-metrics.ts'

/** 2.5 MB of JSON, which takes 20 ms to make. */
const MAX_ROWS = 10_000

const ListQuerySchema = Type.Object(
  {
    metric: Type.Optional(
      Type.String({ maxLength: 1024, description: 'With the value of this metric, and how it changed.' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_ROWS, description: `Default ${MAX_ROWS}.` })),
    after: Type.Optional(
      Type.String({ maxLength: 1024, description: 'Only those after this one: `next` of the answer before.' }),
    ),
    fabric: FabricParam,
  },
  { additionalProperties: false },
)

const ListSchema = Type.Object(
  {
    now: Type.Integer({ description: 'µs' }),
    fabric: Type.String(),
    generation: Type.String(),
    total: Type.Integer(),
    next: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Give it as `after` to get the next page; null on the last one.',
    }),
    switches: Type.Array(FabricRowSchema, { description: 'In natural order.' }),
  },
  { description: 'The switches or ports of a fabric.' },
)

const ParamsSchema = Type.Object({
  id: Type.String({
    minLength: 1,
    maxLength: 1024,
    description: 'A switch, or a port: `<guid>_<port>`.',
    examples: ['sw5'],
  }),
})

const HistoryQuerySchema = Type.Object(
  {
    measurement: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'Default: `switch`, or `fabric_port` of a port.' }),
    ),
    ...HISTORY_PARAMS,
    fabric: FabricParam,
  },
  { additionalProperties: false },
)

export interface SwitchesOptions {
  readonly view: FabricView
  readonly clock: Clock
  readonly reader: StoreReader
  readonly histories: Histories
}

/** `GET /switches`: the switches or ports of a fabric. `GET /switches/{id}/metrics`: the history of one, from the store. */
export function addSwitchRoutes(app: App, { view, clock, reader, histories }: SwitchesOptions): void {
  app.get(
    '/switches',
    {
      schema: {
        operationId: 'listSwitches',
        summary: 'The switches or ports of a fabric, as they are now',
        tags: ['fabric'],
        querystring: ListQuerySchema,
        response: { 200: ListSchema, ...problems(404, 421, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { metric, limit = MAX_ROWS, after, fabric } = request.query
      const generation = askedFabric(view, fabric)
      if (metric !== undefined) checkMetric(generation, metric)
      const stale = staleTargets(view, generation)
      const { order } = generation.index
      const from = after === undefined ? 0 : firstAfter(generation, after)
      const page = Array.from(order.subarray(from, from + limit), (row) => generation.newest(row))
      const rows = page.map((row) =>
        rowJson(generation, row, { metric, stale: stale.has(generation.targetOf(row).head) }),
      )
      const head = JSON.stringify({
        ...{ now: clock.now(), fabric: generation.fabric, generation: generation.id, total: order.length },
        next: from + limit < order.length ? generation.idOf(page.at(-1)!) : null,
      })
      return sendJson(reply, `${head.slice(0, -1)},"switches":[${rows.join(',')}]}`)
    },
  )
  app.get(
    '/switches/:id/metrics',
    {
      schema: {
        operationId: 'getSwitchHistory',
        summary: 'The history of one or several metrics of a switch or port, aggregated by time',
        tags: ['fabric'],
        params: ParamsSchema,
        querystring: HistoryQuerySchema,
        response: { 200: SwitchHistorySchema, ...problems(404, 421, 429, 500, 503) },
      },
    },
    async (request): Promise<SwitchHistoryAnswer> => {
      const { fabric = '', ...params } = request.query
      const shownIn = fabricsWith(view, request.params.id, fabric)
      if (shownIn.length > 1) throw new ParameterError('fabric', severalFabrics(shownIn))
      const id = cleanText(shownIn[0]?.id ?? request.params.id)
      const measurement = params.measurement ?? (PORT.test(id) ? 'fabric_port' : 'switch')
      // Of any time: it may have been gone for longer than the range that is asked for.
      const isKnown = async (query: HistoryQuery, signal: AbortSignal): Promise<boolean> =>
        shownIn.length > 0 || (await reader.history({ ...query, ...EVER, aggregate: 'last' }, signal)).length > 0
      const what = `a switch or port named ${JSON.stringify(id)}`
      const asked = {
        tags: { ...tagsOf(id), ...fabricTag(fabric || shownIn[0]?.fabric) },
        params: { ...params, measurement },
        isKnown,
        what,
      }
      return { switch_id: id, ...(await histories.get(asked, request.signal)) }
    },
  )
}

/** One bucket from 1970 to 2200. */
const EVER_US = Date.UTC(2200, 0, 1) * 1000
const EVER = { startUs: 0, endUs: EVER_US, everyUs: EVER_US }

/** `<guid>_<port>`, as a source names a port. */
const PORT = /^(?:0x)?([0-9a-f]{16})_(\w+)$/i

/** The tags of the samples of a switch or port. */
function tagsOf(id: string): Record<string, string> {
  const [, guid, port] = PORT.exec(id) ?? []
  return guid === undefined ? { switch: id } : { node_guid: guid.toLowerCase(), port_num: port! }
}

/** Where the samples of a switch or port are: of a switch whose ports are read, those of its ports too. */
export function tagsOfSwitch(id: string): { measurements: readonly string[]; tags: Record<string, string> } {
  return { measurements: PORT.test(id) ? ['fabric_port'] : ['switch', 'fabric_port'], tags: tagsOf(id) }
}

/** The series of one fabric alone have its name, but for those of the fabric `default`, which have none. */
function fabricTag(fabric: string | undefined): Record<string, string> {
  return fabric === undefined ? {} : { fabric: fabric === DEFAULT_FABRIC ? '' : fabric }
}

/**
 * The fabrics that show a switch or port now, each with the id as its source writes it: clients may write it in any case.
 *
 * @param fabric the one that is asked for; '' for any
 */
function fabricsWith(view: FabricView, asked: string, fabric: string): { fabric: string; id: string }[] {
  return view.names.flatMap((name) => {
    const shown = view.shown(name)!
    const row = fabric === '' || fabric === name ? shown.find(asked) : -1
    return row < 0 ? [] : [{ fabric: name, id: shown.idOf(row) }]
  })
}

function severalFabrics(shownIn: readonly { fabric: string }[]): string {
  return `several fabrics have it: add fabric=, one of ${shownIn.map(({ fabric }) => fabric).join(', ')}`
}

/** The heads of the targets from which nothing comes. */
function staleTargets(
  view: FabricView,
  generation: FabricGeneration,
): ReadonlySet<FabricGeneration['targets'][number]['head']> {
  const stale = view.states(generation.fabric).filter((state) => state.stale)
  const isStale = ({ publisher, head }: FabricGeneration['targets'][number]): boolean =>
    stale.some((state) => state.publisher === publisher && state.target.target === head.target)
  return new Set(generation.targets.filter(isStale).map(({ head }) => head))
}
