import type { App } from '../../../http/app-types.ts'
import { problems } from '../../schemas.ts'

/** Of the InfluxDB that clients take this for: they ask before the first write, and want a number. */
const VERSION = '1.8.10'

/** `GET /ping`: how clients of InfluxDB find out whether it is there. */
export function addPingRoute(app: App): void {
  app.get(
    '/ping',
    {
      schema: {
        operationId: 'ping',
        summary: 'Whether the process takes requests, as InfluxDB answers it',
        tags: ['intake'],
        response: { 204: { description: 'It does.', type: 'null' }, ...problems(421, 500) },
      },
    },
    (_request, reply) => {
      reply.code(204).headers({ 'x-influxdb-version': VERSION, 'x-influxdb-build': 'SentinelStream' }).send()
    },
  )
}
