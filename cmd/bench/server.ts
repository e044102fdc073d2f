import { Command, Option } from 'commander'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { ConfigError } from '../../internal/config/error.ts'
import { type LoadedSettings, loadSettings } from '../../internal/config/load.ts'
import { ROLES } from '../program/roles.ts'
import { run } from '../program/run.ts'

/**
 * `bench server`: a plain server to compare ours with. It takes the settings of the role `server`, so that both can run
 * in the same environment, and ignores those that it does not need.
 */
export function benchServerCommand(): Command {
  const command = new Command('server')
    .description(
      'Runs a plain server to compare ours with. It has the settings of `server`, but consumes Pub/Sub only.',
    )
    .addOption(
      new Option(
        '--pipeline <kind>',
        'baseline uses JSON.parse, one Point per message and the WriteApi of the client; bare only counts messages',
      )
        .choices(['baseline', 'bare'])
        .makeOptionMandatory(),
    )
  addSettingFlags(command, ROLES.server, [
    'bench server --pipeline baseline --influx-url http://10.0.0.6:8086',
    'bench server --pipeline bare      # the cost of receiving a message',
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
    'broker.kind: a comparison server consumes pubsub with one partition only: set broker.kind pubsub and broker.partitions 1',
  ])
}
