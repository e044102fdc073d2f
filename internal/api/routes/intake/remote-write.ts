import { Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import { HttpError } from '../../../http/errors.ts'
import type { TakenRemoteWrite } from '../../../intake/desk.ts'
import { problems } from '../../schemas.ts'
import { answerOfIntake, DURABLE_HEADER } from './answers.ts'
import { listOf, type TakeBody } from './write.ts'

const WRITTEN = 'x-prometheus-remote-write'
const FULL = 429

/** `POST /api/v1/prom/write`: takes what Prometheus, vmagent and others send by remote write 1.0 and 2.0. */
export function addRemoteWriteRoute(
  app: App,
  { takeBody, maxBodyBytes }: { readonly takeBody: TakeBody; readonly maxBodyBytes: () => number },
): void {
  app.post(
    '/api/v1/prom/write',
    {
      config: { takesBody: true },
      schema: {
        operationId: 'remoteWrite',
        summary: 'Takes Prometheus remote write 1.0 and 2.0',
        description:
          'Each value becomes a field of `prometheus`, named by its metric, with the labels as tags; metrics of GPUs become `gpu`, those of ports of a fabric `fabric_port`. ' +
          'Without room it answers 503, because Prometheus drops what gets a 429.',
        tags: ['intake'],
        response: {
          204: {
            description: 'All values are durable.',
            headers: {
              [DURABLE_HEADER]: Type.String({ enum: ['redis', 'disk'] }),
              [`${WRITTEN}-samples-written`]: Type.Integer({ description: 'Version 2.0.' }),
              [`${WRITTEN}-histograms-written`]: Type.Integer(),
              [`${WRITTEN}-exemplars-written`]: Type.Integer(),
            },
            type: 'null',
          },
          ...problems(403, 415, 421, 500, 503),
        },
      },
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const version = versionOf(String(request.headers['content-type'] ?? ''))
      const packing = String(request.headers['content-encoding'] ?? 'snappy').toLowerCase()
      if (packing !== 'snappy') throw new HttpError(415, `remote write is packed as snappy, not as ${packing}`)
      // The body is unpacked behind its reading: another packing would be read twice.
      delete request.raw.headers['content-encoding']
      const done = await takeBody(request, (desk, body) => desk.writeRemote(body, version, maxBodyBytes())).catch(
        (error: unknown) => {
          throw forPrometheus(answerOfIntake(error))
        },
      )
      if (done.taken > 0) reply.header(DURABLE_HEADER, done.durable)
      reply.headers({
        [`${WRITTEN}-samples-written`]: done.points,
        [`${WRITTEN}-histograms-written`]: 0,
        [`${WRITTEN}-exemplars-written`]: 0,
      })
      const refusal = refusalOf(done)
      if (refusal !== undefined) throw refusal
      return reply.code(204).send()
    },
  )
}

/** @throws HttpError 415 */
function versionOf(contentType: string): '1.0' | '2.0' {
  const [, proto = 'prometheus.WriteRequest'] = /;\s*proto=([\w.]+)/.exec(contentType) ?? []
  if (proto === 'prometheus.WriteRequest') return '1.0'
  if (proto === 'io.prometheus.write.v2.Request') return '2.0'
  throw new HttpError(415, `${proto} is no message of remote write 1.0 or 2.0`)
}

function refusalOf({ points, refused, old, histograms }: TakenRemoteWrite): HttpError | undefined {
  if (refused.count + old.count === 0) return undefined
  const words = [old, refused]
    .filter(({ count }) => count > 0)
    .map((list) => listOf(list, ({ text, reason }) => `${text}: ${reason}`))
  const native = histograms > 0 ? ` (${histograms} native histograms)` : ''
  return new HttpError(
    400,
    `${points} values are taken, ${refused.count + old.count} are not${native}: ${words.join('\n')}`,
  )
}

/** Prometheus sends again after 503, and drops what got a 429 unless it is told otherwise. */
function forPrometheus(error: unknown): unknown {
  if (!(error instanceof HttpError) || error.status !== FULL) return error
  return new HttpError(503, error.message, { cause: error, retryAfterSeconds: error.retryAfterSeconds ?? 1 })
}
