import { Command } from 'commander'
import { loadSettings } from '../../internal/config/load.ts'
import { ROLES } from '../program/roles.ts'
import { addLoadFlags, readLoadFlags } from './load-flags.ts'
import { benchRunCommand } from './run.ts'
import { benchServerCommand } from './server.ts'

/** Plays a load against a stack that runs. */
export function benchCommand(): Command {
  const command = new Command('bench')
    .description(
      'Publishes as many samples as asked for, says how long each took on its way into the store, and whether all of them are there.',
    )
    // `bench run --workers 8`: the flag is that of `run`.
    .enablePositionalOptions()
  addLoadFlags(command, [
    'bench --rate 25000 --duration 1m                   open loop: latencies at a rate',
    'bench --workers 128 --binary=false                 closed loop: as fast as JSON goes',
    'bench --format frame --broker streams --json out.json',
    'bench --server http://10.0.0.6:6060,http://10.0.0.7:6060 --redis-url redis://10.0.0.5 --influx-url http://10.0.0.6:8086',
  ])
  return command
    .action(async () => {
      const flags = readLoadFlags(command)
      const loaded = loadSettings(ROLES.server, flags.settings, process.env)
      const { playLoad } = await import('./load.ts')
      process.exitCode = await playLoad(flags, loaded)
    })
    .addCommand(benchRunCommand())
    .addCommand(benchServerCommand())
}
