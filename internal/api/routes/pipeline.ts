import { Type } from '@sinclair/typebox'
import type { App } from '../../http/app-types.ts'
import type { Feed } from '../../live/feed.ts'
import type { PipelineView } from '../../view/pipeline/pipeline-view.ts'
import type { LiveStreams } from '../live-streams.ts'
import { PipelineSchema, problems } from '../schemas.ts'

export interface PipelineOptions {
  readonly view: PipelineView
  readonly feed: Feed
  readonly streams: LiveStreams
}

const STREAM = `An endless text/event-stream, with an event as soon as it is open, then one a second.

- \`event: pipeline\`, data: the same as the answer of \`/api/v1/pipeline\`.
- \`event: end\`: the server stops. The client may come back in a second.`

/** `GET /pipeline`: the own metrics of all programs together, however many there are. `GET /pipeline/live`: the same, live. */
export function addPipelineRoutes(app: App, { view, feed, streams }: PipelineOptions): void {
  app.get(
    '/pipeline',
    {
      schema: {
        operationId: 'getPipeline',
        summary: 'The pipeline: what all servers and agents together say of themselves',
        tags: ['pipeline'],
        response: { 200: PipelineSchema, ...problems(421, 429, 500) },
      },
    },
    () => view.summary,
  )
  app.get(
    '/pipeline/live',
    {
      config: { streams: true },
      schema: {
        operationId: 'streamPipeline',
        summary: 'The pipeline, live',
        tags: ['live'],
        response: {
          200: { description: STREAM, content: { 'text/event-stream': { schema: Type.String() } } },
          ...problems(421, 429, 503),
        },
      },
    },
    async (request, reply): Promise<string | undefined> =>
      streams.answer(request, reply, (sink) => feed.joinSummary(sink, view)),
  )
}
