import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { commitOf } from '../../bench/report/commit.ts'
import { machineOf } from '../../bench/report/machine.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { type Found, table, verdictOf } from './judge.ts'
import type { Measured } from './measure.ts'
import { differences, type Micro } from './micro.ts'
import { MICRO, PAGE, pageOfFiles } from './page-file.ts'
import { benchFiles, buildPrograms, type Program } from './programs.ts'

const USAGE = `Compares the micro-benchmarks with what they took when the baseline was stored.

  npm run bench                       all of them; ends with 1 when one is slower
  npm run bench -- --only decode      those whose name contains it
  npm run bench -- --json FILE        keeps what is found
  npm run bench -- --write            stores what is found, by nine processes each, as the new baseline
  npm run bench -- --baseline FILE    another baseline than docs/benchmarks/micro.json, to compare with or to write
  npm run bench -- --page             measures nothing, and writes docs/benchmarks.md out of what is stored

Each time is divided by that of a fixed piece of work beside it, so that neither the load nor the speed of the machine counts for much.`

const PROCESSES_TO_WRITE = 9
const BUSY_PROCESSES_TO_WRITE = 3

type Open = Found & {
  readonly program: Program
  readonly ratios: number[]
  readonly ns: number[]
  readonly busy: number[]
}

const values = options()
if (values.help) {
  console.log(USAGE)
  process.exit()
}
if (values.page) {
  writeFileSync(PAGE, pageOfFiles())
  process.exit()
}

const here = { machine: machineOf(), node: process.version, commit: await commitOf('.') }
const baseline = existsSync(values.baseline) ? (JSON.parse(readFileSync(values.baseline, 'utf8')) as Micro) : undefined
const out = `dist/.bench-${process.pid}`
process.on('exit', () => rmSync(out, { recursive: true, force: true }))
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

const programs = await buildPrograms(benchFiles(), out)
const chosen = programs.filter(({ name }) => name.includes(values.only)).map(open)
if (chosen.length === 0) {
  console.error(`none has '${values.only}' in its name; there are:`)
  for (const { name } of programs) console.error(`  ${name}`)
  process.exit(2)
}
if (values.write) await measureAll()
else for (let left = chosen; left.length > 0; left = left.filter(isOpen)) await measureOnce(left)

process.stdout.write(table(chosen))
if (baseline === undefined) console.error(`There is no baseline: npm run bench -- --write stores one.`)
else for (const difference of differences(baseline, here)) console.error(difference)
if (values.json !== undefined) write(values.json, chosen)
if (values.write) write(values.baseline, chosen)
if (values.write) writeFileSync(PAGE, pageOfFiles())
process.exitCode = !values.write && chosen.some((each) => verdictOf(each) === 'slower') ? 1 : 0

function options() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', default: '' },
        json: { type: 'string' },
        baseline: { type: 'string', default: MICRO },
        write: { type: 'boolean', default: false },
        page: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    console.error(`${errorText(error)}\n\n${USAGE}`)
    process.exit(2)
  }
}

function open(program: Program): Open {
  const { name, unit } = program
  const known = baseline?.benchmarks.find((known) => known.name === name)
  return { name, unit, program, known, ratios: [], ns: [], busy: [] }
}

function isOpen(each: Open): boolean {
  return verdictOf(each) === undefined
}

/** For a baseline. Busy neighbours come last: who could tell whether all of them have left the caches? */
async function measureAll(): Promise<void> {
  for (let n = 0; n < PROCESSES_TO_WRITE; n++) await measureOnce(chosen)
  console.error('beside busy neighbours:')
  const url = new URL('./neighbour-process.mjs', import.meta.url)
  const neighbours = Array.from({ length: here.machine.cores }, () => new Worker(url))
  for (let n = 0; n < BUSY_PROCESSES_TO_WRITE; n++) {
    await measureOnce(chosen, ({ busy }, { ratio }) => busy.push(ratio))
  }
  await Promise.all(neighbours.map((neighbour) => neighbour.terminate()))
}

function keep({ ratios, ns }: Open, measured: Measured): void {
  ratios.push(measured.ratio)
  ns.push(measured.ns)
}

/** One process for each, one after the other. */
async function measureOnce(
  some: readonly Open[],
  take: (each: Open, measured: Measured) => void = keep,
): Promise<void> {
  for (const [index, each] of some.entries()) {
    const measured = await each.program.measure()
    take(each, measured)
    console.error(`${index + 1}/${some.length}  ${each.name}: ${measured.ns.toPrecision(3)} ns a ${each.unit}`)
  }
}

/** What was found now, in the place of what stood there; benchmarks that were left out stay as they are. */
function write(file: string, some: readonly Open[]): void {
  const kept = values.only === '' ? [] : (baseline?.benchmarks ?? [])
  const benchmarks = new Map(kept.map((known) => [known.name, known]))
  for (const { name, unit, ratios, ns, busy } of some) benchmarks.set(name, { name, unit, ratios, ns, busy })
  const micro: Micro = {
    measuredAt: new Date().toISOString(),
    ...here,
    command: 'npm run bench -- --write',
    benchmarks: [...benchmarks.values()],
  }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(micro, undefined, 2)}\n`)
}
