import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../http/app-types.ts'
import { NotFoundError, ParameterError } from '../../http/errors.ts'
import { cleanText } from '../../sample/border.ts'
import { MAX_HISTORY_POINTS, type StoreReader } from '../../store/store.ts'
import type { Clock } from '../../time/clock.ts'
import { EVENT_KINDS, type EventKind, findEvents } from '../../view/events/events.ts'
import type { AskedGpu } from '../../view/gpus/gpu-list.ts'
import { parseNames } from '../names.ts'
import { problems } from '../schemas.ts'
import type { GpuNames } from './gpus/gpu-names.ts'
import { orNull, WHICH_GPU } from './gpus/schemas.ts'
import type { Histories } from './history.ts'
import { parseTime } from './history-params.ts'
import { tagsOfSwitch } from './switches.ts'

/** A chart has fewer pixels. */
const MAX_BUCKETS = 2_000
const [DEFAULT_LIMIT, MAX_LIMIT] = [1_000, 10_000]

const name = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 1024, description }))

const QuerySchema = Type.Object(
  {
    host: name('Events of this host, and of its GPUs.'),
    gpu: name('Events of this GPU: a `uuid`, a `device_id`, or with `hostname` a `gpu_id`.'),
    switch: name('Events of this switch or port.'),
    ...WHICH_GPU,
    start: Type.Optional(Type.String({ maxLength: 64, description: 'As of a history. Default `-1h`.' })),
    end: Type.Optional(Type.String({ maxLength: 64, description: 'As of a history. Default `now`.' })),
    kind: Type.Optional(
      Type.String({
        maxLength: 256,
        description: `Only these kinds, with commas between them: ${EVENT_KINDS.join(', ')}.`,
      }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_LIMIT, description: `The newest so many. Default ${DEFAULT_LIMIT}.` }),
    ),
  },
  { additionalProperties: false },
)

const EventsSchema = Type.Object(
  {
    start: Type.Integer({ description: 'µs' }),
    end: Type.Integer({ description: 'µs' }),
    everyMs: Type.Number({ description: 'How exact their times are, ms.' }),
    truncated: Type.Boolean({ description: 'Whether there are older ones than `limit` lets through.' }),
    events: Type.Array(
      Type.Object({
        at: Type.Integer({ description: 'Start of the `everyMs` in which it was seen, µs.' }),
        kind: Type.Unsafe<EventKind>({ type: 'string', enum: EVENT_KINDS }),
        text: Type.String(),
        value: orNull(
          'number',
          'Of an Xid its number, of a link how often it went down, of a clock by how many seconds it was set ahead; less than 0: back.',
        ),
        host: orNull('string'),
        gpu: orNull('string', 'Its uuid, or else its index.'),
        switch: orNull('string'),
      }),
      { description: 'Ascending by time.' },
    ),
  },
  { description: 'What happened, as charts mark it.' },
)

export interface EventsOptions {
  readonly reader: StoreReader
  readonly names: GpuNames
  readonly histories: Histories
  readonly clock: Clock
}

/** `GET /events`: Xid errors, links that went down, restarts, and steps of clocks, found in stored figures. */
export function addEventsRoute(app: App, { reader, names, histories, clock }: EventsOptions): void {
  app.get(
    '/events',
    {
      schema: {
        operationId: 'listEvents',
        summary: 'What happened to a host, its GPUs, or a switch or port',
        tags: ['live'],
        querystring: QuerySchema,
        response: { 200: EventsSchema, ...problems(421, 429, 500, 503) },
      },
    },
    async (request): Promise<Static<typeof EventsSchema>> => {
      const { host, gpu, switch: id, hostname, mig, limit = DEFAULT_LIMIT, kind } = request.query
      if ((host ?? gpu ?? id) === undefined) throw new ParameterError('host', 'give host, gpu or switch')
      const nowUs = clock.now()
      const startUs = parseTime('start', request.query.start ?? '-1h', nowUs)
      const endUs = parseTime('end', request.query.end ?? 'now', nowUs)
      if (startUs >= endUs) throw new ParameterError('start', 'start must be before end')
      const kinds = parseKinds(kind)
      const tags = gpu === undefined ? undefined : await tagsOfGpu(names, { id: gpu, hostname, mig })
      const things = tags === undefined && host !== undefined ? await names.countOf(cleanText(host)) : 1
      const buckets = Math.min(MAX_BUCKETS, Math.floor(MAX_HISTORY_POINTS / Math.max(1, things)) - 16)
      const everyUs = Math.max(1, Math.ceil((endUs - startUs) / 1e6 / buckets)) * 1e6
      const query = {
        ...{ startUs, endUs, everyUs, kinds, gpu: tags },
        host: host === undefined ? undefined : cleanText(host),
        switch: id === undefined ? undefined : { id, ...tagsOfSwitch(cleanText(id)) },
      }
      const events = await histories.ask(request.signal, (signal) => findEvents(reader, query, signal))
      return {
        ...{ start: startUs, end: endUs, everyMs: everyUs / 1000, truncated: events.length > limit },
        events: events.slice(-limit),
      }
    },
  )
}

/** Of a GPU that nobody knows there are no events, while those of its host are wanted all the same. */
async function tagsOfGpu(names: GpuNames, asked: AskedGpu): Promise<Readonly<Record<string, string>>> {
  try {
    return (await names.find(asked)).tags
  } catch (error) {
    if (error instanceof NotFoundError) return { uuid: asked.id }
    throw error
  }
}

/** @throws ParameterError */
function parseKinds(list: string | undefined): ReadonlySet<EventKind> {
  if (list === undefined) return new Set(EVENT_KINDS)
  const names = parseNames('kind', list)
  const kinds = EVENT_KINDS.filter((kind) => names.includes(kind))
  const unknown = names.find((kind) => !kinds.some((known) => known === kind))
  if (unknown === undefined) return new Set(kinds)
  throw new ParameterError(
    'kind',
    `${JSON.stringify(unknown)} is no kind of event: give some of ${EVENT_KINDS.join(', ')}`,
  )
}
