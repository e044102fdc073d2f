import { Argument, Command } from 'commander'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { ROLE_NAMES, ROLES, type RoleName } from '../program/roles.ts'

/** Tries everything that the settings name, and says in words what is wrong. Exit code 1 where something is. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description(
      'Connects to what the settings name, writes a sample and reads it back, asks the running programs where every sample is, and says what is wrong.',
    )
    .addArgument(new Argument('[role]', 'the role to look for').choices(ROLE_NAMES).default('up'))
  // `up` has the flags of all roles.
  addSettingFlags(command, ROLES.up, [
    'sentinel doctor',
    'REDIS_URL=redis://10.0.0.5:6379 INFLUX_URL=http://10.0.0.6:8086 sentinel doctor server',
  ])
  return command.action(async (name: RoleName) => {
    const { examine } = await import('./examine.ts')
    for await (const { part, well, words } of examine(
      loadSettings(ROLES[name], flagValues(command, ROLES.up), process.env),
    )) {
      process.stdout.write(`${well ? 'ok  ' : 'FAIL'} ${part}: ${words}\n`)
      if (!well) process.exitCode = 1
    }
  })
}
