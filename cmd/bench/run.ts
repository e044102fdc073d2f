import { join, relative } from 'node:path'
import { Command } from 'commander'
import { pino } from 'pino'
import { commitOf } from '../../internal/bench/report/commit.ts'
import { machineOf } from '../../internal/bench/report/machine.ts'
import type { Report } from '../../internal/bench/report/report.ts'
import { statsLines, summaryTable } from '../../internal/bench/report/table.ts'
import { writeReport } from '../../internal/bench/report/write.ts'
import { type BenchmarkResult, runBenchmark } from '../../internal/bench/run/benchmark.ts'
import { Interrupted, interruptible } from '../../internal/bench/run/interruption.ts'
import { openOutFolder } from '../../internal/bench/run/out-folder.ts'
import { EXIT } from '../../internal/config/error.ts'
import { packageFolder } from '../../internal/observe/profiling/sources.ts'
import { readVersion } from '../version.ts'
import { Progress } from './progress.ts'
import { addRunFlags, type RunSettings, readRunSettings } from './run-settings.ts'

const SCRIPT = 'bash scripts/benchmark.sh'
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
    try {
      await interruptible(
        (signal) => run(settings, progress, signal),
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

async function run(settings: RunSettings, progress: Progress, signal: AbortSignal): Promise<void> {
  // Both are about the machine as it was before: machineOf has its load average, and what is written in a checkout is a change.
  const machine = machineOf()
  const commit = await commitOf(packageFolder())
  const startedAt = new Date().toISOString()
  const outFolder = await openOutFolder(settings.out)
  // Of variables, one that is misspelt is nobody's: it shows by not being here.
  progress.say(`settings: ${settings.given || 'all as they come'}; --help has the others`)
  const result = await runBenchmark(
    settings.options,
    {
      outFolder,
      env: process.env,
      logger: pino({ level: 'silent' }),
      say: (what) => progress.say(what),
      onProgress: (at) => progress.load(at),
    },
    signal,
  )
  progress.clear()
  const { groups, stack } = result
  const report: Report = {
    version: 1,
    startedAt,
    machine,
    node: process.version,
    packageVersion: readVersion(),
    commit,
    command: [settings.given, SCRIPT].join(' ').trimStart(),
    settings: settings.shown,
    stack,
    passes: groups.flat(),
  }
  printFigures(result)
  const { html, json } = await writeReport(report, outFolder)
  const profiles = report.passes.flatMap(({ profiles: { cpu, heap } }) => (cpu === undefined ? heap : [cpu, ...heap]))
  progress.say('written:')
  for (const path of [html, json, ...profiles, join(outFolder, 'logs*')]) progress.say(`  ${relative('', path)}`)
  for (const { name, condition, load } of report.passes) {
    if (load.balance === '') continue
    progress.say(`${name}, ${condition}: ${load.balance}`)
    process.exitCode = EXIT.failed
  }
}

function printFigures({ groups }: BenchmarkResult): void {
  const passes = groups.flat()
  for (const pass of passes) {
    if (passes.length > 1) process.stdout.write(`${pass.name}, ${pass.condition}:\n`)
    process.stdout.write(`${statsLines(pass).join('\n')}\n`)
  }
  for (const group of groups) process.stdout.write(`\n${group[0]!.condition}\n${summaryTable({ passes: group })}`)
}
