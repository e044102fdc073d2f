import { Argument, Command } from 'commander'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { notes } from '../../internal/config/conflicts.ts'
import { describeSettings } from '../../internal/config/describe.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { checkListeners } from '../parts/keys.ts'
import { EVERY_ROLE, ROLE_NAMES, ROLES, type RoleName } from '../program/roles.ts'
import { checkTls } from './check-tls.ts'

/**
 * Reads the settings as a role would and prints them, without any network. The exit code is 78 when they are invalid.
 */
export function validateCommand(): Command {
  const command = new Command('validate')
    .description('Checks the settings without any network, and shows each with its origin.')
    .addArgument(new Argument('[role]', 'the role whose settings are checked').choices(ROLE_NAMES).default('up'))
  addSettingFlags(command, EVERY_ROLE, [
    'sentinel validate --config /etc/sentinel.yaml',
    'INFLUX_URL=http://10.0.0.6:8086 sentinel validate server',
  ])
  return command.action(async (name: RoleName) => {
    const loaded = loadSettings(ROLES[name], flagValues(command, EVERY_ROLE), process.env)
    await checkListeners(ROLES[name], loaded.settings)
    for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`)
    for (const note of notes(ROLES[name], loaded.settings)) process.stderr.write(`note: ${note}\n`)
    const tls = await checkTls(loaded)
    for (const { part, ok, warns, text } of tls) {
      if (!ok || warns) process.stderr.write(`warning: ${part}: ${text}\n`)
    }
    process.stdout.write(describeSettings(loaded))
    process.stderr.write(`valid settings for ${name}\n`)
  })
}
