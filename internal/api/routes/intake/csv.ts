import { createGunzip } from 'node:zlib'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { App } from '../../../http/app-types.ts'
import { HttpError } from '../../../http/errors.ts'
import type { Desk } from '../../../intake/desk.ts'
import { answerOfIntake } from './answers.ts'
import { SAVED_ANSWERS, savedAnswer } from './telemetry.ts'

/** Bodies that are read at the same time, each with 256 KiB of rows and a message: others get 429. */
const MAX_READING = 32

const CsvSchema = Type.String({
  description: 'Rows with the columns of the header, or without a header these twelve.',
  examples: ['timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw\n'],
})

/** `POST /api/v1/ingest/csv`: takes readings of GPUs as CSV, of any length. */
export function addCsvRoute(app: App, deskFor: (request: FastifyRequest) => Desk): void {
  let reading = 0
  app.post(
    '/api/v1/ingest/csv',
    {
      config: { takesBody: true },
      schema: {
        operationId: 'ingestCsv',
        summary: 'Takes readings of GPUs as CSV, read as they come',
        tags: ['intake'],
        body: { content: { 'text/csv': { schema: CsvSchema } } },
        response: SAVED_ANSWERS,
      },
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const desk = deskFor(request)
      if (reading >= MAX_READING)
        throw new HttpError(429, `${reading} files are read already`, { retryAfterSeconds: 1 })
      reading++
      try {
        return savedAnswer(reply, await desk.writeCsv(partsOf(request)))
      } catch (error) {
        throw answerOfIntake(error)
      } finally {
        reading--
      }
    },
  )
}

/** A thrown error must not destroy the connection: its answer is still to be sent. */
function partsOf({ raw, headers }: FastifyRequest): AsyncIterable<Buffer> {
  const packing = headers['content-encoding']
  if (packing === undefined || packing === 'identity') return raw.iterator({ destroyOnReturn: false })
  if (packing !== 'gzip') throw new HttpError(415, 'a file may only be packed as gzip')
  const unpacked = createGunzip()
  raw.on('error', (error) => unpacked.destroy(error))
  return raw.pipe(unpacked)
}
