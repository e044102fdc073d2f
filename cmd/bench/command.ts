import { Command } from 'commander'
import { loadSettings } from '../../internal/config/load.ts'
import { ROLES } from '../program/roles.ts'
import { addLoadFlags, readLoadFlags } from './load-flags.ts'
import { benchRunCommand } from './run.ts'
import { benchServerCommand } from './server.ts'

/** Sends a load to a running stack and measures it. */
export function benchCommand(): Command {
  const command = new Command('bench')
    .description(
      'Sends a load of samples, measures how long they take to the store, and checks that all of them arrive.',
    )
    // In `bench run --workers 8`, the flag belongs to `run`.
    .enablePositionalOptions()
  addLoadFlags(command, [
    'bench --rate 25000 --duration 1m                   open loop: the latency at a rate',
    'bench --workers 128 --binary=false                 closed loop: as fast as possible, in JSON',
    'bench --format frame --broker streams --json out.json --hdr latencies',
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
