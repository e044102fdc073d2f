import { Type } from '@sinclair/typebox'
import type { App } from '../../http/app-types.ts'
import { ParameterError } from '../../http/errors.ts'
import type { Feed } from '../../live/feed.ts'
import { FeedFilter } from '../../live/feed-filter.ts'
import type { LiveTable } from '../../live/live-table.ts'
import { cleanText } from '../../sample/border.ts'
import type { FabricView } from '../../view/fabric/fabric-view.ts'
import { SwitchClient } from '../../view/fabric/switch-stream.ts'
import { GpuFilter } from '../../view/gpus/gpu-filter.ts'
import type { GpusView } from '../../view/gpus/gpus-view.ts'
import type { LiveStreams } from '../live-streams.ts'
import { escapeName, hiddenName, parseNames, refuseHidden } from '../names.ts'
import { problems } from '../schemas.ts'

const names = (what: string, usual = 'all') =>
  Type.Optional(
    Type.Array(Type.String({ maxLength: 8192 }), {
      maxItems: 100,
      description: `Only these ${what}, with commas between them; may be repeated. A comma of a name is written \`\\,\`. Default: ${usual}.`,
    }),
  )

const QuerySchema = Type.Object(
  {
    host: names('hosts'),
    measurement: names('measurements'),
    switch: names(
      'switches or ports of fabrics, after each snapshot; of a switch whose ports are read its ports. It goes with no other filter',
      'none',
    ),
    gpu: names(
      'GPUs, by `uuid` or `device_id`, or with `hostname` by `gpu_id`: the samples of `gpu` and `gpu_info`. It goes with `measurement` and `hostname` alone',
      'none',
    ),
    hostname: Type.Optional(Type.String({ maxLength: 1024, description: 'The host of the GPUs that `gpu` names.' })),
  },
  { additionalProperties: false },
)

const HeadersSchema = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      description: 'The id of the last event that the client has: the stream sends only what changed after it.',
    }),
  ),
})

const STREAM = `An endless text/event-stream. It begins with everything that passes the filters. Then it brings the changes, at most
four times a second, each series once with its newest reading.

- \`event: samples\`, data: see the schema Samples. It has an \`id\` where the client has everything up to it.
- \`event: lost\`, data \`{"series": 12}\`: the number of readings that this client missed because it reads too slowly.
- \`event: end\`: the server stops. The client may come back in a second.
- A comment line after 15 s without an event.`

export interface LiveRouteOptions {
  readonly feed: Feed
  readonly table: LiveTable
  readonly fabrics: FabricView
  readonly gpus: GpusView
  readonly streams: LiveStreams
}

/** `GET /live`: the latest readings and their changes, until the client leaves. */
export function addLiveRoute(app: App, { feed, table, fabrics, gpus, streams }: LiveRouteOptions): void {
  app.get(
    '/live',
    {
      config: { streams: true },
      schema: {
        operationId: 'streamLive',
        summary: 'The latest readings and their changes',
        tags: ['live'],
        querystring: QuerySchema,
        headers: HeadersSchema,
        response: {
          200: { description: STREAM, content: { 'text/event-stream': { schema: Type.String() } } },
          ...problems(421, 429, 503),
        },
      },
    },
    async (request, reply): Promise<string | undefined> => {
      const { host, measurement, switch: switches, gpu, hostname } = request.query
      if (switches !== undefined) {
        if ((host ?? measurement ?? gpu) !== undefined)
          throw new ParameterError('switch', 'switch goes with no other filter')
        const ids = namesOf('switch', switches, () => switchesOf(fabrics)) ?? []
        return streams.answer(request, reply, (sink) => feed.joinClient(() => new SwitchClient(sink, fabrics, ids)))
      }
      if (gpu !== undefined && host !== undefined)
        throw new ParameterError('gpu', 'gpu goes with hostname, not with host')
      if (gpu === undefined && hostname !== undefined) throw new ParameterError('hostname', 'hostname goes with gpu')
      const ids = namesOf('gpu', gpu, () => [])
      const onHost = hostname === undefined ? undefined : cleanText(hostname)
      const filter = new FeedFilter(
        onHost === undefined ? namesOf('host', host, () => hostsOf(table)) : [onHost],
        namesOf('measurement', measurement, () => measurementsOf(table)),
        ids && new GpuFilter(gpus, ids, onHost),
      )
      return streams.answer(request, reply, (sink) => feed.join(sink, filter, request.headers['last-event-id']))
    },
  )
}

/** The names of a parameter. A list that hides a name with a comma is refused: its client would wait for ever. */
function namesOf(
  parameter: string,
  lists: readonly string[] | undefined,
  known: () => Iterable<string>,
): string[] | undefined {
  for (const list of lists ?? []) {
    const hidden = list.includes(',') ? hiddenName(list, known()) : undefined
    if (hidden !== undefined) refuseHidden(parameter, `a ${parameter} ${JSON.stringify(hidden)}`, escapeName(hidden))
  }
  return lists?.flatMap((list) => parseNames(parameter, list))
}

function* hostsOf(table: LiveTable): Iterable<string> {
  for (const { host } of table.byHost.all()) yield host
}

function* switchesOf(view: FabricView): Iterable<string> {
  for (const name of view.names) {
    for (const { snapshot } of view.shown(name)!.targets) {
      for (let row = 0; row < snapshot.rows; row++) yield snapshot.switchOf(row) ?? snapshot.id(row)
    }
  }
}

function* measurementsOf(table: LiveTable): Iterable<string> {
  for (const { series } of table.all()) yield series.measurement
}
