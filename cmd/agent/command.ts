import type { Command } from 'commander'
import { roleCommand } from '../program/program.ts'

export function agentCommand(): Command {
  return roleCommand({
    role: 'agent',
    description: 'Measures this host and publishes it over Redis.',
    examples: [
      'agent --redis-url redis://10.0.0.5:6379',
      'agent --agent-interval-ms 250ms --agent-include cpu,mem,net',
      'HOST_PROC=/host/proc HOST_SYS=/host/sys HOST_MOUNT_PREFIX=/host/root agent   # from a container',
    ],
    async open(context) {
      const [{ connectBroker }, { openAgent, openSource }] = await Promise.all([
        import('../parts/broker.ts'),
        import('./agent.ts'),
      ])
      const source = openSource(context)
      await openAgent(context, await connectBroker(context), source)
    },
  })
}
