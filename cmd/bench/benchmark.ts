import { join, relative } from 'node:path'
import { pino } from 'pino'
import { commitOf } from '../../bench/report/commit.ts'
import { machineOf } from '../../bench/report/machine.ts'
import type { Report } from '../../bench/report/report.ts'
import { statsLines, summaryTable } from '../../bench/report/table.ts'
import { writeReport } from '../../bench/report/write.ts'
import { type BenchmarkResult, runBenchmark } from '../../bench/run/benchmark.ts'
import { openOutFolder } from '../../bench/run/out-folder.ts'
import { EXIT } from '../../internal/config/error.ts'
import { packageFolder } from '../../internal/observe/package-folder.ts'
import { readVersion } from '../program/version.ts'
import type { Progress } from './progress.ts'
import { type RunSettings, SCRIPT } from './run-settings.ts'

/**
 * Runs the benchmark, prints its results and writes its report. The exit code is 1 when a sample is neither stored nor
 * reported lost.
 */
export async function playBenchmark(settings: RunSettings, progress: Progress, signal: AbortSignal): Promise<void> {
  // Read before the run: machineOf has the load average, and the run writes files that would count as changes of the
  // checkout.
  const machine = machineOf()
  const commit = await commitOf(packageFolder())
  const startedAt = new Date().toISOString()
  const outFolder = await openOutFolder(settings.out)
  // A misspelt variable cannot be detected, but it is missing in this line.
  progress.say(`settings: ${settings.given || 'all defaults'}; --help lists all`)
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
  printResults(result)
  const { html, json } = await writeReport(report, outFolder)
  const profiles = report.passes.flatMap(({ profiles: { cpu, heap } }) => (cpu === undefined ? heap : [cpu, ...heap]))
  const histograms = report.passes.flatMap(({ histograms }) => Object.values(histograms ?? {}))
  progress.say('written:')
  for (const path of [html, json, ...histograms, ...profiles, join(outFolder, 'logs*')]) {
    progress.say(`  ${relative('', path)}`)
  }
  for (const { name, condition, load } of report.passes) {
    if (load.balance === '') continue
    progress.say(`${name}, ${condition}: ${load.balance}`)
    process.exitCode = EXIT.failed
  }
}

function printResults({ groups }: BenchmarkResult): void {
  const passes = groups.flat()
  for (const pass of passes) {
    if (passes.length > 1) process.stdout.write(`${pass.name}, ${pass.condition}:\n`)
    process.stdout.write(`${statsLines(pass).join('\n')}\n`)
  }
  for (const group of groups) process.stdout.write(`\n${group[0]!.condition}\n${summaryTable({ passes: group })}`)
}
