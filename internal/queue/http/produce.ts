import type { App } from '../../http/app-types.ts'
import { HttpError } from '../../http/errors.ts'
import type { Gateway } from '../gateway.ts'
import { bodyOf } from './answers.ts'
import { payloadIn } from './bodies.ts'
import { Parameters } from './parameters.ts'

export interface RouteOptions {
  readonly gateway: Gateway
  /** How many partitions a topic may have. */
  readonly maxPartitions: number
}

/** The rest of a message says nothing of its partition. */
const MAX_KEY_BYTES = 64 * 1024

/** `POST /produce?topic=&partition=&key=`: answers with the id of the message when Redis or the disk has it. */
export function addProduceRoute(app: App, { gateway, maxPartitions }: RouteOptions): void {
  app.post('/produce', { config: { takesBody: true } }, async (request, reply) => {
    const parameters = new Parameters(request.query, ['topic', 'partition', 'key'])
    const { topic } = parameters
    const partition = parameters.partition(maxPartitions)
    const payload = payloadIn(bodyOf(request))
    if (payload.length === 0) throw new HttpError(400, 'the body is empty')
    const key = partition === undefined ? (parameters.text('key') ?? payload.toString('latin1', 0, MAX_KEY_BYTES)) : ''
    const { id, durable } = await gateway.produce(topic, partition, key, payload)
    reply.header('sentinel-durable', durable).type('application/json; charset=utf-8')
    return `{"id":"${id}"}`
  })
}
