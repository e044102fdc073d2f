import { Command } from 'commander'
import { main, roleCommand } from '../program/program.ts'
import { ROLES } from '../program/roles.ts'

/**
 * The agent as `scripts/build-agent.mjs` puts it into one file: what `agent` and `sentinel agent` run, see
 * `cmd/program/small-start.ts`.
 */
const agent = roleCommand(ROLES.agent)
const isSubcommand = process.argv[2] === agent.name()
void main(isSubcommand ? new Command('sentinel').addCommand(agent) : agent)
