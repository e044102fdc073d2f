import type { Command } from 'commander'
import { roleCommand } from '../program/program.ts'

/** agent → server → api in one process, over one broker and one store. */
export function upCommand(): Command {
  return roleCommand({
    role: 'up',
    description: 'Runs the whole pipeline in one process: agent, server and api; without any server beside it.',
    examples: [
      'sentinel up',
      'sentinel up --api-port 9000 --duckdb-path /var/lib/sentinel/history.duckdb',
      'REDIS_URL=redis://127.0.0.1:6379 INFLUX_URL=http://127.0.0.1:8086 sentinel up',
    ],
    async open(context) {
      const [{ connectBroker }, { connectStore }, { openServer }, { openApi }, { openAgent, openSource }] =
        await Promise.all([
          import('../parts/broker.ts'),
          import('../parts/store.ts'),
          import('../server/server.ts'),
          import('../api/api.ts'),
          import('../agent/agent.ts'),
        ])
      const source = openSource(context)
      const broker = await connectBroker(context)
      const { writer, reader } = await connectStore(context)
      await openServer(context, broker, writer)
      const address = await openApi(context, broker, reader)
      await openAgent(context, broker, source)
      // An address of this machine that a browser can open, where it listens on all of them.
      const page = address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
      process.stdout.write(`SentinelStream is up: ${page}\n`)
    },
  })
}
