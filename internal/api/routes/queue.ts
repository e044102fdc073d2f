import { createHash } from 'node:crypto'
import { type TSchema, Type } from '@sinclair/typebox'
import type { App } from '../../http/app-types.ts'
import { HttpError } from '../../http/errors.ts'
import { KEPT_HEADERS } from '../../http/security-headers.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type {
  QueueFigures,
  QueueGateway,
  QueueGroup,
  QueueOnDisk,
  QueuePartition,
  QueueReaderFigures,
} from '../../view/queue/figures.ts'
import { QueueAwayError, type QueueView } from '../../view/queue/queue-view.ts'
import { ConditionSchema, nullable, problems } from '../schemas.ts'
import { sendJson } from '../send-json.ts'
import { isSentAlready } from './telemetry/answers.ts'

const RETRY_SECONDS = 1

/** The compiler refuses a figure that is missing here, or is one too many. */
type SchemasOf<T> = { readonly [Name in keyof T]: TSchema }

const AttentionSchema = Type.Array(Type.String(), {
  description: 'What somebody has to do, a sentence each; empty where it goes on by itself.',
})
const messages = (description: string) => Type.Integer({ minimum: 0, description })
const ageMs = (description: string) => Type.Integer({ minimum: 0, description })

const ReaderSchema = Type.Object({
  name: Type.String({ description: 'The consumer in Redis: a server, or a gateway.' }),
  pending: messages('Messages that it has read and not acked.'),
  reads: Type.Boolean({
    description: 'Whether it asks for messages: a server within the last 5 s, a gateway for its clients.',
  }),
  idleMs: ageMs('How long ago it last did, ms: 0 while it reads, else in whole seconds.'),
  clients: nullable(
    Type.Integer({
      minimum: 0,
      description: 'Of a gateway: its clients that get messages of this group and partition.',
    }),
  ),
} satisfies SchemasOf<QueueReaderFigures>)

const GroupSchema = Type.Object({
  group: Type.String(),
  lag: nullable(
    Type.Integer({
      minimum: 0,
      description: 'Messages that nobody of the group has read; null with Redis before 7.0.',
    }),
  ),
  pending: messages('Messages that were read and not acked.'),
  oldestAgeMs: ageMs('How long ago the oldest message without an ack was added, ms; 0 where there is none.'),
  readers: Type.Array(ReaderSchema, { maxItems: 100 }),
  attention: AttentionSchema,
} satisfies SchemasOf<QueueGroup>)

const OnDiskSchema = Type.Object({
  gateway: Type.String(),
  messages: messages('Messages of the partition on its disk.'),
  bytes: Type.Integer({ minimum: 0 }),
} satisfies SchemasOf<QueueOnDisk>)

const PartitionSchema = Type.Object({
  topic: Type.String(),
  partition: Type.Integer({ minimum: 0 }),
  length: messages('Messages in Redis, acked or not.'),
  lag: nullable(
    Type.Integer({
      minimum: 0,
      description:
        'Messages that the group furthest behind has not read; where no group is, all. Null with Redis before 7.0.',
    }),
  ),
  pending: messages('Messages that were read and not acked, of all groups.'),
  overflow: messages('Messages on disks of gateways.'),
  overflowBytes: Type.Integer({ minimum: 0 }),
  oldestAgeMs: ageMs(
    'How long ago the oldest message was added that some group has not acked, ms; 0 where there is none.',
  ),
  groups: Type.Array(GroupSchema, { maxItems: 100 }),
  onDisk: Type.Array(OnDiskSchema, { description: 'Which gateways have messages of it.' }),
  attention: AttentionSchema,
} satisfies SchemasOf<QueuePartition>)

const GatewaySchema = Type.Object({
  name: Type.String(),
  silentMs: ageMs(
    'How long it has said nothing of itself, ms: 0 while it does, else in whole seconds. Forgotten after a day.',
  ),
  messages: messages('Messages on its disk.'),
  bytes: Type.Integer({ minimum: 0 }),
  maxBytes: Type.Integer({ minimum: 0, description: '`queue.maxBytes`.' }),
  consumers: Type.Integer({ minimum: 0, description: 'Clients that are connected to it.' }),
  attention: AttentionSchema,
} satisfies SchemasOf<QueueGateway>)

const QueueSchema = Type.Object(
  {
    broker: Type.Unsafe<QueueFigures['broker']>({ type: 'string', enum: ['streams', 'pubsub', 'memory'] }),
    reason: nullable(Type.String({ description: 'Why there is no queue; null where there is one.' })),
    total: Type.Integer({
      minimum: 0,
      description: 'How many partitions there are. At most 1,024 of them are listed.',
    }),
    partitions: Type.Array(PartitionSchema, {
      maxItems: 1024,
      description: 'Those of the topic of samples first, then the other topics by name.',
    }),
    gateways: Type.Array(GatewaySchema, { description: 'By name.' }),
  } satisfies SchemasOf<QueueFigures>,
  { description: 'The queue, as it was within the last second.' },
)

/** `GET /queue`: what the streams of Redis and the disks of gateways have, by topic and partition, and who reads it. */
export function addQueueRoute(app: App, view: QueueView): void {
  const bodies = new WeakMap<QueueFigures, { readonly json: string; readonly tag: string }>()
  app.get(
    '/queue',
    {
      schema: {
        operationId: 'getQueue',
        summary: 'The queue: what waits, by topic and partition, and who reads it',
        tags: ['queue'],
        headers: ConditionSchema,
        response: {
          200: QueueSchema,
          304: Type.Null({ description: 'Nothing has changed (`If-None-Match`).' }),
          ...problems(421, 429, 500, 503),
        },
      },
    },
    async (request, reply) => {
      const figures = await view.figures().catch((error: unknown) => {
        throw error instanceof QueueAwayError ? new QueueAway(error) : error
      })
      const { json, tag } = bodies.get(figures) ?? bodyOf(figures)
      bodies.set(figures, { json, tag })
      reply.headers(KEPT_HEADERS)
      return isSentAlready(request, reply, tag) ? reply : sendJson(reply, json)
    },
  )
}

function bodyOf(figures: QueueFigures): { readonly json: string; readonly tag: string } {
  const json = JSON.stringify(figures)
  const hash = createHash('sha256').update(json).digest('base64url').slice(0, 22)
  return { json, tag: `W/"${hash}"` }
}

/** The message of the engine may name addresses and users, so clients do not get it. */
class QueueAway extends HttpError {
  constructor(cause: QueueAwayError) {
    super(503, 'Redis does not answer, or refuses; the log of the API says why', {
      retryAfterSeconds: RETRY_SECONDS,
      cause,
    })
  }

  override log(faults: LogThrottle): void {
    faults.warn('queue away', { err: this.cause }, 'what waits in Redis cannot be looked at')
  }
}
