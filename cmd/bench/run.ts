import { Command } from 'commander'
import { Interrupted, interruptible } from '../../bench/run/interruption.ts'
import { Progress } from './progress.ts'
import { addRunFlags, readRunSettings, SCRIPT } from './run-settings.ts'

const EXAMPLES = `
Examples:
  ${SCRIPT}                                                   as fast as it can, Packed
  BINARY=false WORKERS=128 DURATION=120s ${SCRIPT}            the same with JSON
  RATE=25000 ${SCRIPT}                                        latencies at a rate, from when a send was due
  BROKER=streams SERVERS=2 FORMAT=frame ${SCRIPT}             at least once, two servers, 100 samples a message
  PIPELINE=compare OUT=profiles/compare ${SCRIPT}             beside the plain way to write it

Each setting is a flag, or a variable of the script; flags win. The *_LATENCY_STATS lines and the table go to standard output, all else
to standard error. Profiles are taken under the same load once more, so that they do not disturb the figures.
Exit code 1 also where a sample is neither stored nor reported lost; 130 after Ctrl-C.`

/** The whole benchmark: a stack of real servers, the load, the profiles, the report; and nothing is left but that. */
export function benchRunCommand(): Command {
  const command = new Command('run')
    .description('Starts Redis, a store and the server, measures them under load, profiles them, and writes a report.')
    .addHelpText('after', EXAMPLES)
  return addRunFlags(command).action(async () => {
    const settings = readRunSettings(command.opts(), process.env)
    const progress = new Progress(process.stderr)
    const { playBenchmark } = await import('./benchmark.ts')
    try {
      await interruptible(
        (signal) => playBenchmark(settings, progress, signal),
        () => progress.say('stopping what was started; Ctrl-C once more ends at once'),
      )
    } catch (error) {
      progress.clear()
      if (!(error instanceof Interrupted)) throw error
      progress.say('interrupted: there is no report')
      process.exitCode = error.exitCode
    }
  })
}
