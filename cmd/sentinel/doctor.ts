import { Argument, Command } from 'commander'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { EXIT } from '../../internal/config/error.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { Redactor } from '../../internal/text/redactor.ts'
import { EVERY_ROLE, ROLE_NAMES, ROLES, type RoleName } from '../program/roles.ts'

/** Tries everything that the settings name and prints a finding for each. The exit code is 1 when a finding is bad. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description(
      'Finds out what is wrong: tries Redis and the store, and asks the running programs whether every sample is accounted for.',
    )
    .addArgument(new Argument('[role]', 'the role whose parts are tried').choices(ROLE_NAMES).default('up'))
  addSettingFlags(command, EVERY_ROLE, [
    'sentinel doctor',
    'REDIS_URL=redis://10.0.0.5:6379 INFLUX_URL=http://10.0.0.6:8086 sentinel doctor server',
  ])
  return command.action(async (name: RoleName) => {
    const { examine } = await import('./examine.ts')
    const loaded = loadSettings(ROLES[name], flagValues(command, EVERY_ROLE), process.env)
    // A store or a proxy may repeat what it was sent.
    const redactor = new Redactor(loaded.secrets)
    for await (const { part, ok, warns = false, text } of examine(loaded)) {
      process.stdout.write(`${!ok ? 'FAIL' : warns ? 'warn' : 'ok  '} ${part}: ${redactor.hide(text)}\n`)
      if (!ok) process.exitCode = EXIT.failed
    }
  })
}
