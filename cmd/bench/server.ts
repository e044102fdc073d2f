import { Command, Option } from 'commander'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { ConfigError } from '../../internal/config/error.ts'
import { type LoadedSettings, loadSettings } from '../../internal/config/load.ts'
import { ROLES } from '../program/roles.ts'
import { run } from '../program/run.ts'

/**
 * `bench server`: another server in the place of ours, to compare ours with. It takes the settings of `server`, as far as it has a
 * use for them, so that either can be started in the same environment.
 */
export function benchServerCommand(): Command {
  const command = new Command('server')
    .description('Runs a server to compare ours with; it takes the settings of `server`, and consumes Pub/Sub only.')
    .addOption(
      new Option(
        '--pipeline <kind>',
        'baseline: JSON.parse, a Point each, the WriteApi of the client; bare: only counts',
      )
        .choices(['baseline', 'bare'])
        .makeOptionMandatory(),
    )
  addSettingFlags(command, ROLES.server, [
    'bench server --pipeline baseline --influx-url http://10.0.0.6:8086',
    'bench server --pipeline bare      # what a message costs before anything is done with it',
  ])
  return command.action(({ pipeline }: { pipeline: 'baseline' | 'bare' }) =>
    run(
      () => pubsubOnly(loadSettings(ROLES.server, flagValues(command, ROLES.server), process.env)),
      async (context) => {
        const { openBare, openBaseline } = await import('./comparison-servers.ts')
        await (pipeline === 'bare' ? openBare(context) : openBaseline(context))
      },
    ),
  )
}

/** @throws ConfigError */
function pubsubOnly(loaded: LoadedSettings): LoadedSettings {
  const { kind, partitions } = loaded.settings.broker
  if (kind === 'pubsub' && partitions === 1) return loaded
  throw new ConfigError([
    'broker.kind: a comparison server consumes pubsub with one partition only; streams have nothing to compare with',
  ])
}
