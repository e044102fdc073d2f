import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { commitOf } from '../../bench/report/commit.ts'
import { machineOf } from '../../bench/report/machine.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { PAGE, pageOfFiles } from '../bench/page-file.ts'
import { ROWS } from './catalogue.ts'
import { disturbances, freeNow, shortages } from './quiet.ts'
import { remarks, store, table } from './report.ts'
import { type Measured, type RowResult, resultOf, type SpeedFile } from './result.ts'
import { type Outcome, PAGES, type Row } from './row.ts'

const USAGE = `Measures what the project promises to be fast at, with real servers, each row several times. Build before: npm run build

  npm run speed                                the rows of the pages speed and fabric
  npm run speed -- --rows hosts,agent          some rows, or all of a page: ${PAGES.join(', ')}
  npm run speed -- --runs 1 --seconds 5        quicker, and less to be trusted (3 runs, 30 s each load)
  npm run speed -- --rows memory --minutes 5   watches the memory for so long (30 min)
  npm run speed -- --half-rate 60000           messages a second of the rows about memory: half of the highest rate (110000)
  npm run speed -- --json FILE                 keeps what was found
  npm run speed -- --write                     puts it into docs/benchmarks, and writes docs/benchmarks.md
  npm run speed -- --busy                      although the machine is busy, which it says beside each figure

The rows:
${ROWS.map(({ id, page, what }) => `  ${id.padEnd(18)} ${page.padEnd(8)} ${what}`).join('\n')}

Ends with 1 when a row could not be measured, or does not reach what it has to.`

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: 'speed,fabric' },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '30' },
    minutes: { type: 'string', default: '30' },
    'half-rate': { type: 'string', default: '110000' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const [runs, seconds, minutes, halfRate] = [values.runs, values.seconds, values.minutes, values['half-rate']].map(
  Number,
)
const names = values.rows.split(',')
const rows = ROWS.filter(({ id, page }) => names.includes(id) || names.includes(page))
const unknown = names.filter((name) => !rows.some(({ id, page }) => id === name || page === name))
if (!(Number.isInteger(runs) && runs! > 0 && seconds! >= 2 && minutes! > 0 && halfRate! > 0)) refuse(USAGE)
if (unknown.length > 0) refuse(`there is no row or page ${unknown.join(', ')}\n\n${USAGE}`)
const settings = { seconds: seconds!, minutes: minutes!, halfRate: halfRate! }

const disturbed = disturbances()
if (disturbed.length > 0 && !values.busy) refuse(`${disturbed.join('; ')}. --busy measures all the same.`)
const lacking = shortages(rows, settings, await freeNow())
if (lacking.length > 0) refuse(`not enough room for this:\n${lacking.join('\n')}`)

const controller = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)))
}
const measured: Measured = {
  at: new Date().toISOString(),
  machine: machineOf(),
  node: process.version,
  commit: await commitOf('.'),
}
const results: RowResult[] = []
for (const row of rows) {
  if (controller.signal.aborted) break
  const result = await measure(row)
  results.push(result)
  // Each at once: what comes after it may take hours. What was cut off in the middle replaces nothing.
  if (values.write && !controller.signal.aborted) keep(result, row)
}
console.log(table(results))
for (const remark of remarks(results)) console.log(`- ${remark}`)
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ version: 1, rows: results } satisfies SpeedFile, undefined, 2)}\n`)
}
const isGood =
  results.length === rows.length &&
  results.every(({ met, figures }) => met !== false && figures.every(({ values: all }) => all.length === runs))
process.exit(isGood ? 0 : 1)

async function measure(row: Row): Promise<RowResult> {
  const outcomes: Outcome[] = []
  const failures: string[] = []
  for (let run = 1; run <= runs! && !controller.signal.aborted; run++) {
    const say = (what: string): void => console.error(`${row.id}, run ${run} of ${runs}: ${what}`)
    try {
      outcomes.push(await row.run({ settings, earlier: outcomes, signal: controller.signal, say }))
    } catch (error) {
      failures.push(errorText(error))
      say(`could not be measured: ${failures.at(-1)}`)
    }
  }
  const result = resultOf(row, settings, outcomes, [...disturbed, ...failures], measured)
  console.error(table([result]))
  return result
}

function keep(result: RowResult, { page }: Row): void {
  const ids = ROWS.filter((row) => row.page === page).map(({ id }) => id)
  store(`docs/benchmarks/${page}.json`, [result], ids)
  writeFileSync(PAGE, pageOfFiles())
}

function refuse(reason: string): never {
  console.error(reason)
  process.exit(2)
}
