import type { Command } from 'commander'
import { roleCommand } from '../program/program.ts'

export function apiCommand(): Command {
  return roleCommand({
    role: 'api',
    description: 'Answers current values and history, streams live, and serves the page.',
    examples: [
      'api --redis-url redis://10.0.0.5:6379 --influx-url http://10.0.0.6:8086',
      'api --api-host 0.0.0.0 --api-port 80',
    ],
    async open(context) {
      const [{ connectBroker }, { connectInfluxReader }, { openApi }] = await Promise.all([
        import('../parts/broker.ts'),
        import('../parts/influx.ts'),
        import('./api.ts'),
      ])
      const broker = await connectBroker(context)
      const address = await openApi(context, broker, connectInfluxReader(context))
      context.logger.info({ address }, 'api listens')
    },
  })
}
