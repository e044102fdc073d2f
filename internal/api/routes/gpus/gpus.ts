import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import { ParameterError } from '../../../http/errors.ts'
import type { LogThrottle } from '../../../observe/log-throttle.ts'
import { cleanText } from '../../../sample/border.ts'
import { isoTime } from '../../../text/iso-time.ts'
import type { Clock } from '../../../time/clock.ts'
import { NO_GPU_FIGURES } from '../../../view/gpus/figures.ts'
import { type GpuList, identityOfListed, type ListedGpu } from '../../../view/gpus/gpu-list.ts'
import { shownIdentity } from '../../../view/gpus/gpu-stream.ts'
import type { KnownGpus } from '../../../view/gpus/known-gpus.ts'
import { problems } from '../../schemas.ts'
import { sendJson } from '../../send-json.ts'
import { logStoreFault } from '../../store-errors.ts'
import { GpusSchema, NamespacesSchema } from './schemas.ts'

export interface GpusOptions {
  readonly list: GpuList
  readonly known: KnownGpus
  readonly clock: Clock
  readonly storeIsAway: () => boolean
  readonly faults: LogThrottle
}

/** 5 MB of JSON. */
const MAX_GPUS = 10_000

const text = (description: string) => Type.Optional(Type.String({ maxLength: 1024, description }))

const QuerySchema = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_GPUS, description: `Default ${MAX_GPUS}.` })),
    after: text('`next` of the answer before.'),
    host: text('Only the GPUs of this host.'),
    namespace: text('Only the GPUs of pods of this namespace.'),
    contains: text('Only the GPUs with this in uuid, device, host, model or pod, in upper or lower case.'),
    fields: Type.Optional(Type.Literal('uuid', { description: 'Only their names.' })),
  },
  { additionalProperties: false },
)
type Question = Static<typeof QuerySchema>

/** `GET /gpus`: the GPUs with their figures of now. `GET /namespaces`: those whose pods have GPUs. */
export function addGpusRoutes(app: App, options: GpusOptions): void {
  const { list, known, clock, faults, storeIsAway } = options
  app.get(
    '/gpus',
    {
      schema: {
        operationId: 'listGpus',
        summary: 'The GPUs of which samples are kept, with their latest figures',
        tags: ['gpus'],
        querystring: QuerySchema,
        response: { 200: GpusSchema, ...problems(421, 429, 500) },
      },
    },
    async (request, reply) => {
      const { limit = MAX_GPUS, after, fields } = request.query
      const stored = await known.get()
      if (stored.failure !== undefined) logStoreFault(faults, stored.failure)
      const now = clock.now()
      const all = list.all(stored)
      const matching = askedFor(request.query, all)
      if (fields === 'uuid') {
        const names = matching.map(identityOfListed).map(({ uuid, deviceId }) => uuid || deviceId || '')
        return sendJson(reply, JSON.stringify({ count: names.length, gpus: names.filter((name) => name !== '') }))
      }
      const from = after === undefined ? 0 : placeAfter(after, all, matching)
      const page = matching.slice(from, from + limit)
      return sendJson(
        reply,
        JSON.stringify({
          ...{ now, partial: !stored.complete || storeIsAway(), count: matching.length },
          next: from + limit < matching.length ? cursorOf(page.at(-1)!) : null,
          gpus: page.map((gpu) => answerOf(gpu, now)),
        }),
      )
    },
  )
  app.get(
    '/namespaces',
    {
      schema: {
        operationId: 'listNamespaces',
        summary: 'The namespaces whose pods have GPUs',
        tags: ['gpus'],
        response: { 200: NamespacesSchema, ...problems(421, 429, 500) },
      },
    },
    async (): Promise<Static<typeof NamespacesSchema>> => {
      const counts = new Map<string, number>()
      for (const gpu of list.all(await known.get())) {
        for (const namespace of namesIn(identityOfListed(gpu).namespace)) {
          counts.set(namespace, (counts.get(namespace) ?? 0) + 1)
        }
      }
      const namespaces = [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
      return {
        count: namespaces.length,
        namespaces: namespaces.map(([namespace, gpu_count]) => ({ namespace, gpu_count })),
      }
    },
  )
}

/** `ml,web` where pods of both share a GPU. */
function namesIn(list: string | null): string[] {
  return [...new Set((list ?? '').split(','))].filter((name) => name !== '')
}

function askedFor({ host, namespace, contains }: Question, all: readonly ListedGpu[]): readonly ListedGpu[] {
  if (host === undefined && namespace === undefined && contains === undefined) return all
  const part = cleanText(contains ?? '').toLowerCase()
  return all.filter((gpu) => {
    const of = identityOfListed(gpu)
    if (host !== undefined && of.host !== cleanText(host)) return false
    if (namespace !== undefined && !namesIn(of.namespace).includes(cleanText(namespace))) return false
    return [of.uuid, of.deviceId, of.host, of.model, of.pod].some((name) => name?.toLowerCase().includes(part))
  })
}

/** The key of a GPU, so that the next page begins behind it, whatever comes or goes meanwhile. */
function cursorOf({ key }: ListedGpu): string {
  return Buffer.from(key).toString('base64url')
}

/** @throws ParameterError for what was no `next`, or one of a GPU that is gone */
function placeAfter(after: string, all: readonly ListedGpu[], matching: readonly ListedGpu[]): number {
  const key = Buffer.from(after, 'base64url').toString()
  const place = all.findIndex((gpu) => gpu.key === key)
  if (place < 0) throw new ParameterError('after', 'it is no `next` of an answer, or of a GPU that is gone: begin anew')
  const later = new Set(all.slice(place + 1))
  const from = matching.findIndex((gpu) => later.has(gpu))
  return from < 0 ? matching.length : from
}

function answerOf(gpu: ListedGpu, now: number): Record<string, unknown> {
  const { live, stored } = gpu
  const ageMs = live === undefined ? Math.max(0, (now - stored!.lastSeenAt) / 1000) : live.ageMs
  return {
    ...shownIdentity(identityOfListed(gpu)),
    last_seen: isoTime(new Date(now / 1000 - ageMs)),
    age_ms: Math.round(ageMs),
    stale: live?.stale ?? true,
    ...(live?.figures() ?? NO_GPU_FIGURES),
  }
}
