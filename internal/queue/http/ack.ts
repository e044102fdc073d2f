import type { App } from '../../http/app-types.ts'
import { ParameterError } from '../../http/errors.ts'
import { bodyOf } from './answers.ts'
import { idsIn } from './bodies.ts'
import { Parameters } from './parameters.ts'
import type { RouteOptions } from './produce.ts'

/** Of an id that is not known, which a client may have made of anything. */
const MAX_SHOWN = 100

/** `POST /ack?topic=&partition=&group=&id=`: acks messages. Where one is unknown, the others are acked all the same. */
export function addAckRoute(app: App, { gateway, maxPartitions }: RouteOptions): void {
  app.post('/ack', { config: { takesBody: true } }, async (request, reply) => {
    const parameters = new Parameters(request.query, ['topic', 'partition', 'group', 'id'])
    const { topic, group } = parameters
    const partition = parameters.partition(maxPartitions)
    const ids = idsIn(bodyOf(request), parameters.texts('id'))
    const [unknown, ...more] = await gateway.ack(topic, partition, group, ids)
    if (unknown !== undefined) {
      const shown = JSON.stringify(unknown.slice(0, MAX_SHOWN))
      const others = more.length === 0 ? '' : ` and ${more.length} more`
      throw new ParameterError(
        'id',
        `${shown}${others}: no such message of this topic waits for an ack of the group ${group}`,
      )
    }
    reply.type('text/plain; charset=utf-8')
    return 'ok'
  })
}
