// Runs the parts of `npm run check` side by side, as many at a time as there are cores. Shows the output of each part, whole, when the part
// ends, and ends with 1 and the names of the parts that failed.
//
//   node scripts/check.mjs [npm script...]
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** The quick parts first, so that a mistake shows at once; then the longest. */
const PARTS = ['format:check', 'lint', 'test:unit', 'types', 'imports', 'deadcode']

const parts = process.argv.length > 2 ? process.argv.slice(2) : PARTS
const failed = []
const waiting = [...parts]
await Promise.all(Array.from({ length: availableParallelism() }, runParts))
if (failed.length > 0) {
  console.error(`failed: ${parts.filter((part) => failed.includes(part)).join(', ')}`)
  process.exitCode = 1
}

async function runParts() {
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    const startedAtMs = performance.now()
    const { isGood, output } = await run(part)
    if (!isGood) failed.push(part)
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
    process.stdout.write(`== ${part}: ${isGood ? 'good' : 'FAILED'} after ${seconds} s\n${output}`)
  }
}

/** Runs a script of package.json. Its output keeps its order, whichever stream it came on. */
function run(part) {
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', part], { stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
    child.once('error', (error) => resolve({ isGood: false, output: `${error.message}\n` }))
    child.once('close', (code) => resolve({ isGood: code === 0, output: Buffer.concat(chunks).toString() }))
  })
}
