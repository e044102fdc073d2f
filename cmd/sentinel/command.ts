import { Command } from 'commander'
import { benchCommand } from '../bench/command.ts'
import { roleCommand } from '../program/program.ts'
import { ROLES } from '../program/roles.ts'
import { dashboardsCommand } from './dashboards.ts'
import { deadLettersCommand } from './dead-letters/command.ts'
import { doctorCommand } from './doctor.ts'
import { keysCommand } from './keys/command.ts'
import { tailCommand } from './tail.ts'
import { validateCommand } from './validate.ts'
import { versionCommand } from './version.ts'

/** `sentinel`: every role, and the commands for operators. */
export function sentinelCommand(): Command {
  const sentinel = new Command('sentinel').description(
    'Real-time telemetry: measures hosts, stores and shows the values, and measures how late they arrive.',
  )
  sentinel.commandsGroup('Run:')
  for (const role of Object.values(ROLES)) sentinel.addCommand(roleCommand(role))
  sentinel
    .commandsGroup('Look and check:')
    .addCommand(validateCommand())
    .addCommand(doctorCommand())
    .addCommand(tailCommand())
    .addCommand(versionCommand())
    .commandsGroup('Repair:')
    .addCommand(deadLettersCommand())
    .commandsGroup('Set up:')
    .addCommand(keysCommand())
    .addCommand(dashboardsCommand())
    .commandsGroup('Benchmark:')
    .addCommand(benchCommand())
    .commandsGroup('Help:')
    .addHelpText(
      'after',
      `
Examples:
  sentinel up                          runs the whole pipeline on this machine: http://127.0.0.1:8080
  sentinel validate --config my.yaml   checks a file of settings, without any network
  sentinel doctor                      finds out whether Redis, the store and the running programs work
  sentinel tail --measurement cpu      shows each new CPU reading
  sentinel keys create --name grafana  makes a key that may read
  sentinel dead-letters list           lists what a server rejected, and why
  sentinel bench --rate 25000          measures latency and loss at 25,000 messages a second`,
    )
  return sentinel
}
