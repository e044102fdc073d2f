import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { App } from '../../../http/app-types.ts'
import { HttpError } from '../../../http/errors.ts'
import type { TakenPoints } from '../../../intake/desk.ts'
import { problems } from '../../schemas.ts'
import { answerOfIntake, DURABLE_HEADER } from './answers.ts'
import { listOf, type TakeBody } from './write.ts'

const text = Type.Optional(Type.String())

const RecordSchema = Type.Object(
  {
    metric: Type.String({ description: 'Also `metric_name`.' }),
    value: Type.Union([Type.Number(), Type.String()]),
    time: Type.Optional(Type.String({ description: 'Also `timestamp`; the time of the request where there is none.' })),
    ...{ device_id: text, gpu_id: text, uuid: text, model_name: text, hostname: text },
    ...{ container: text, pod: text, namespace: text, labels_raw: text },
  },
  {
    description:
      'A reading of a GPU. `modelName` and `Hostname` mean the same as `model_name` and `hostname`; other names are labels.',
    examples: [
      {
        ...{ device_id: 'gpu-001', metric: 'temperature', value: 75.5, time: '2025-09-25T10:30:00Z', gpu_id: '0' },
        ...{ uuid: '12345678-1234-1234-1234-123456789012', model_name: 'NVIDIA RTX 4090', hostname: 'worker-node-1' },
        ...{ container: 'gpu-workload', pod: 'gpu-pod-1', namespace: 'default', labels_raw: 'app=ml-training' },
      },
    ],
  },
)

const ProblemsSchema = Type.Array(
  Type.Object({ row: Type.Integer({ description: 'From 1; 0 where it is not known.' }), reason: Type.String() }),
  { description: 'The first hundred that are not taken.' },
)

export const SavedSchema = Type.Object(
  {
    status: Type.Union([Type.Literal('success'), Type.Literal('partial')]),
    points_saved: Type.Integer({ description: 'Values that are durable.' }),
    points_refused: Type.Optional(Type.Integer()),
    refused: Type.Optional(ProblemsSchema),
  },
  { description: 'Durable; `partial` where some values are not taken.' },
)

/** What the answers of both routes with readings of GPUs may be. */
export const SAVED_ANSWERS = {
  200: { ...SavedSchema, headers: { [DURABLE_HEADER]: Type.String({ enum: ['redis', 'disk'] }) } },
  ...problems(403, 415, 421, 429, 500, 503),
}

/** `POST /telemetry`: takes readings of GPUs, as clients of an older system send them. */
export function addTelemetryRoute(app: App, takeBody: TakeBody): void {
  app.post(
    '/telemetry',
    {
      config: { takesBody: true },
      schema: {
        operationId: 'takeTelemetry',
        summary: 'Takes readings of GPUs as JSON, one or a list of them',
        tags: ['intake'],
        body: { content: { 'application/json': { schema: Type.Union([RecordSchema, Type.Array(RecordSchema)]) } } },
        response: SAVED_ANSWERS,
      },
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const done = await takeBody(request, (desk, body) => desk.writeTelemetry(body)).catch((error: unknown) => {
        throw answerOfIntake(error)
      })
      return savedAnswer(reply, done)
    },
  )
}

/** @throws HttpError 400 where something is older than the store keeps, or nothing at all can be taken */
export function savedAnswer(
  reply: FastifyReply,
  { points, refused, old, taken, durable }: TakenPoints,
): Static<typeof SavedSchema> {
  if (taken > 0) reply.header(DURABLE_HEADER, durable)
  if (old.count > 0) {
    throw new HttpError(400, `${points} values are saved, ${old.count} are not: ${listOf(old, ({ reason }) => reason)}`)
  }
  if (refused.count === 0) return { status: 'success', points_saved: points }
  const problems = refused.first.map(({ lineNumber, reason }) => ({ row: lineNumber, reason }))
  if (points === 0) {
    throw new HttpError(
      400,
      `nothing is saved: ${listOf(refused, ({ lineNumber, reason }) => `row ${lineNumber}: ${reason}`)}`,
    )
  }
  return { status: 'partial', points_saved: points, points_refused: refused.count, refused: problems }
}
