import { parseArgs } from 'node:util'
import { errorText } from '../../internal/text/error-text.ts'
import { sleep } from '../support/servers.ts'
import { whyNoSmallDisk } from '../support/small-disk.ts'
import { MATRIX, type Row } from './matrix.ts'
import { writePage } from './page.ts'
import { type Line, table } from './report.ts'
import { Scene } from './scene.ts'
import { judge } from './verdict.ts'

const USAGE = `Sends numbered samples through real programs and real servers, makes faults, and asks the database what is missing.

  npm run test:oracle                      the short matrix
  npm run oracle -- --minutes 15           all rows, in at least so many minutes
  npm run oracle -- --rows 'kill -9'       those whose broker and fault contain the text (several: --rows a --rows b)
  npm run oracle -- --keep                 keeps what the programs said of rows that fail, and their folders
  npm run oracle -- --minutes 15 --write   and writes docs/reliability.md
  npm run oracle -- --jobs 2               two rows at a time, each with servers of its own

Ends with 1 when a row has an unaccounted sample or anything else that must not be.`

/** How long the load runs before the first fault, so that the servers have stored something. */
const WARM_UP_MS = 1500
/** How long a row may take to come to rest once its fault is over. */
const REST_MS = 240_000
const SHORT_REST_MS = 60_000

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '0' },
    jobs: { type: 'string', default: '1' },
    rows: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const minutes = Number(values.minutes)
const jobs = Number(values.jobs)
if (values.help || !(minutes >= 0) || !(Number.isInteger(jobs) && jobs > 0)) {
  console.error(USAGE)
  process.exit(values.help ? 0 : 2)
}
const rows = MATRIX.filter(({ isShort }) => isShort || !values.short).filter(({ broker, fault }) =>
  values.rows.length === 0 ? true : values.rows.some((text) => `${broker} ${fault}`.includes(text)),
)
const startedAt = new Date()
const lines: Line[] = []
let begun = 0
await Promise.all(Array.from({ length: jobs }, runRows))
console.log(table(lines))
const isGood = lines.every(({ problems }) => problems.length === 0)
if (values.write) writePage({ lines, startedAt, endedAt: new Date(), args: process.argv.slice(2) })
if (!isGood) console.error('not everything is accounted for')
process.exit(isGood ? 0 : 1)

async function runRows(): Promise<void> {
  for (let n = begun++; n < rows.length; n = begun++) {
    const leftMs = minutes * 60_000 - (Date.now() - startedAt.getTime())
    // Each row gets an equal share of the time that is left. The time that a row needs besides its fault is not known
    // before, so later rows get less.
    const slotMs = Math.max(0, (leftMs * jobs) / (rows.length - n))
    const line = await runToEnd(rows[n]!, slotMs)
    lines[n] = line
    console.error(`${n + 1}/${rows.length} ${table([line]).split('\n').at(-1)}`)
  }
}

/** Another program may take a free port before our server does. So a row that did not run to its end runs once more. */
async function runToEnd(row: Row, slotMs: number): Promise<Line> {
  const line = await runRow(row, slotMs)
  if (line.verdict !== undefined || line.notRun !== undefined) return line
  console.error(`${row.broker}, ${row.fault}: ${line.problems.join('; ')}; once more`)
  return runRow(row, slotMs)
}

async function runRow(row: Row, slotMs: number): Promise<Line> {
  const { broker, fault, options, prepare, turn, isOnce, expect } = row
  const notRun = options.smallDisk === undefined ? undefined : whyNoSmallDisk()
  if (notRun !== undefined) return { broker, fault, turns: 0, verdict: undefined, problems: [], notRun }
  const untilMs = Date.now() + slotMs
  let turns = 0
  let scene: Scene | undefined
  let problems: string[] = []
  try {
    scene = await Scene.open({ broker, ...options })
    await prepare?.(scene)
    await sleep(WARM_UP_MS)
    do {
      await turn(scene)
      turns++
    } while (!isOnce && Date.now() < untilMs)
    const verdict = await judge(scene, values.short ? SHORT_REST_MS : REST_MS)
    const lost = verdict.unaccounted > 0 ? [`${verdict.unaccounted} samples are unaccounted for`] : []
    problems = [...lost, ...verdict.problems, ...(expect?.(scene) ?? [])]
    return { broker, fault, turns, verdict, problems }
  } catch (error) {
    problems = [`could not be run to its end: ${errorText(error)}`]
    return { broker, fault, turns, verdict: undefined, problems }
  } finally {
    const keep = values.keep && problems.length > 0
    if (keep) console.error(`kept: ${scene?.folder}`)
    await scene?.close(keep)
  }
}
