import { Argument, Command } from 'commander'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { describeSettings } from '../../internal/config/describe.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { ROLE_NAMES, ROLES, type RoleName } from '../program/roles.ts'

/** Reads the settings as a role would, asks no server, and shows what they come to. Exit code 78 where they cannot work. */
export function validateCommand(): Command {
  const command = new Command('validate')
    .description('Checks settings without any network, and shows each with where it comes from.')
    .addArgument(new Argument('[role]', 'the role to check them for').choices(ROLE_NAMES).default('up'))
  // `up` has the flags of all roles.
  addSettingFlags(command, ROLES.up, [
    'sentinel validate --config /etc/sentinel.yaml',
    'INFLUX_URL=http://10.0.0.6:8086 sentinel validate server',
  ])
  return command.action((name: RoleName) => {
    const loaded = loadSettings(ROLES[name], flagValues(command, ROLES.up), process.env)
    for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`)
    process.stdout.write(describeSettings(loaded))
    process.stderr.write(`these settings are sound for ${name}\n`)
  })
}
