import type { Command } from 'commander'
import { roleCommand } from '../program/program.ts'

export function serverCommand(): Command {
  return roleCommand({
    role: 'server',
    description: 'Consumes what agents publish, writes it to InfluxDB and publishes the live feed.',
    examples: [
      'server --redis-url redis://10.0.0.5:6379 --influx-url http://10.0.0.6:8086 --influx-token-file /run/secrets/influx',
      'server --broker-kind streams      # at least once',
      'server --stats-every 1000         # latencies every 1,000 messages',
    ],
    async open(context) {
      const [{ connectBroker }, { connectInfluxWriter }, { openServer }] = await Promise.all([
        import('../parts/broker.ts'),
        import('../parts/influx.ts'),
        import('./server.ts'),
      ])
      const broker = await connectBroker(context)
      await openServer(context, broker, connectInfluxWriter(context))
    },
  })
}
