import type { Command } from 'commander'
import { connectBroker } from '../connect.ts'
import { roleCommand } from '../program.ts'
import { openAgent } from './agent.ts'

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
      openAgent(context, await connectBroker(context))
    },
  })
}
