import { Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import type { Feed } from '../../../live/feed.ts'
import type { Clock } from '../../../time/clock.ts'
import { GpusClient } from '../../../view/gpus/gpu-stream.ts'
import type { GpusView } from '../../../view/gpus/gpus-view.ts'
import type { LiveStreams } from '../../live-streams.ts'
import { parseNames } from '../../names.ts'
import { problems } from '../../schemas.ts'

const names = (what: string) =>
  Type.Optional(
    Type.Array(Type.String({ maxLength: 8192 }), {
      maxItems: 100,
      description: `Only the GPUs of these ${what}, with commas between them; may be repeated. A comma of a name is written \`\\,\`. Default: all.`,
    }),
  )

const QuerySchema = Type.Object(
  { host: names('hosts'), namespace: names('namespaces') },
  { additionalProperties: false },
)

const STREAM = `An endless text/event-stream: first all GPUs of which something arrived within a day, then once a second what changed.

- \`event: gpus\`, data \`{"version", "whole", "now", "gpus": [{"n", "uuid", "gpu_id", "device_id", "model_name", "hostname", "mig", "pod", "namespace", "container"}]}\`:
  \`n\` is the number of a GPU on this stream. With \`whole\` these are all; else those that are new, or whose texts changed.
- \`event: figures\`, data \`{"version", "now", "newest", "columns", "rows"}\`: of each GPU whose figures changed a row of \`n\`, \`state\` (0 fresh, 1 stale), \`seen\` (of a stale
  one when its last figures arrived, µs; else null) and the figures of \`columns\`. \`newest\` is when the newest figures of all arrived, µs; 0 before the first.
- \`event: end\`: the server stops. The client may come back in a second.
- A comment line after 15 s without an event.`

export interface GpusLiveOptions {
  readonly view: GpusView
  readonly feed: Feed
  readonly streams: LiveStreams
  readonly clock: Clock
}

/** `GET /gpus/live`: the current figures of all GPUs, in few bytes. */
export function addGpusLiveRoute(app: App, { view, feed, streams, clock }: GpusLiveOptions): void {
  app.get(
    '/gpus/live',
    {
      config: { streams: true },
      schema: {
        operationId: 'streamGpus',
        summary: 'The current figures of all GPUs, live',
        tags: ['live'],
        querystring: QuerySchema,
        response: {
          200: { description: STREAM, content: { 'text/event-stream': { schema: Type.String() } } },
          ...problems(421, 429, 503),
        },
      },
    },
    async (request, reply): Promise<string | undefined> => {
      const [hosts, namespaces] = (['host', 'namespace'] as const).map((parameter) => {
        const lists = request.query[parameter]
        return lists && new Set(lists.flatMap((list) => parseNames(parameter, list)))
      })
      const isWanted = ({ host, namespace }: { host: string; namespace: string | null }): boolean =>
        (hosts === undefined || hosts.has(host)) &&
        (namespaces === undefined || (namespace ?? '').split(',').some((name) => namespaces.has(name)))
      return streams.answer(request, reply, (sink) =>
        feed.joinClient(() => new GpusClient(sink, view, clock, isWanted)),
      )
    },
  )
}
