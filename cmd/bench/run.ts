import { Command } from 'commander'
import { Interrupted, interruptible } from '../../bench/run/interruption.ts'
import { Progress } from './progress.ts'
import { addRunFlags, readRunSettings, SCRIPT } from './run-settings.ts'

const EXAMPLES = `
Examples:
  ${SCRIPT}                                                   as fast as possible, in Packed
  BINARY=false WORKERS=128 DURATION=120s ${SCRIPT}            the same in JSON
  RATE=25000 ${SCRIPT}                                        the latency at a rate, from when each send was due
  BROKER=streams SERVERS=2 FORMAT=frame ${SCRIPT}             at least once, two servers, 100 samples per message
  PIPELINE=compare OUT=profiles/compare ${SCRIPT}             compared with a plain server

Each setting is a flag, or a variable of the script; flags win. The *_LATENCY_STATS lines and the table go to standard output, everything
else to standard error. Profiles are taken in a second run of the same load, so that they do not disturb the results.
Exit code 1 also means that a sample is neither stored nor reported lost; 130 means Ctrl-C.`

/**
 * The whole benchmark: starts real servers, runs the load, takes profiles, writes the report, and stops the servers.
 */
export function benchRunCommand(): Command {
  const command = new Command('run')
    .description(
      'Starts Redis, a store and a server, measures them under load, profiles the server, and writes a report.',
    )
    .addHelpText('after', EXAMPLES)
  return addRunFlags(command).action(async () => {
    const settings = readRunSettings(command.opts(), process.env)
    const progress = new Progress(process.stderr)
    const { playBenchmark } = await import('./benchmark.ts')
    try {
      await interruptible(
        (signal) => playBenchmark(settings, progress, signal),
        () => progress.say('stopping the servers; Ctrl-C again ends at once'),
      )
    } catch (error) {
      progress.clear()
      if (!(error instanceof Interrupted)) throw error
      progress.say('interrupted: there is no report')
      process.exitCode = error.exitCode
    }
  })
}
