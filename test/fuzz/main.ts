import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Outcome, Task } from './fuzz-process.ts'

const USAGE = `Feeds damaged messages to the decoders, and damaged files to the reader of the spool.

  npm run fuzz                                      a million inputs for each
  npm run fuzz -- --inputs 10000 --seed 17          fewer; the same seed makes the same inputs
  npm run fuzz -- --target 'frame decoder' --seed 17 --only 4711    one input again

Ends with 1 when an input makes the code fail, hang, read a good message differently afterwards, or keep memory.`

/** Targets that take files get one input in so many, because each input costs some tens of system calls. */
const TARGETS = [
  { name: 'frame decoder', share: 1 },
  { name: 'JSON decoder', share: 1 },
  { name: 'Packed decoder', share: 1 },
  { name: 'all formats', share: 1 },
  { name: 'spool, one segment', share: 1 },
  { name: 'spool, a folder', share: 1 / 200 },
]
/** An input takes microseconds, but a busy machine may pause a thread for a second or two. */
const HANG_MS = 10_000
/** The memory that a target may keep more than after the first tenth of its inputs. Caches fill up. */
const MAX_HEAP_GROWTH_BYTES = 32 * 2 ** 20
const MAX_RSS_GROWTH_BYTES = 256 * 2 ** 20

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: `${randomInt(1, 2 ** 31)}` },
    target: { type: 'string', multiple: true, default: [] },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const [inputs, seed] = [Number(values.inputs), Number(values.seed)]
if (values.help || !Number.isInteger(inputs) || !Number.isInteger(seed)) {
  console.error(USAGE)
  process.exit(values.help ? 0 : 2)
}

console.log(`seed ${seed}`)
console.log('| target | inputs | usable | seconds | heap MB | RSS MB | |')
console.log('| --- | --: | --: | --: | --: | --: | --- |')
let isGood = true
for (const { name, share } of TARGETS) {
  if (values.target.length > 0 && !values.target.includes(name)) continue
  const count = Math.max(1, Math.round(inputs * share))
  const [from, to] = values.only === undefined ? [0, count] : [Number(values.only), Number(values.only) + 1]
  const startedMs = Date.now()
  const outcome = await run({ target: name, seed, from, to, progress: new SharedArrayBuffer(4) })
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0)
  const problem = typeof outcome === 'string' ? outcome : problemOf(outcome)
  const figures = typeof outcome === 'string' ? ['–', seconds, '–', '–'] : [outcome.good, seconds, ...memory(outcome)]
  console.log(`| ${[name, to - from, ...figures, problem === '' ? 'sound' : problem.split('\n')[0]].join(' | ')} |`)
  if (problem !== '') {
    isGood = false
    console.error(`${name}: ${problem}`)
  }
}
process.exit(isGood ? 0 : 1)

/** @returns the outcome, or in words why there is none */
async function run(task: Task): Promise<Outcome | string> {
  const worker = new Worker(new URL('./fuzz-process.mjs', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  const at = new Int32Array(task.progress)
  const again = (): string => `again with --target '${task.target}' --seed ${task.seed} --only ${Atomics.load(at, 0)}`
  return new Promise((resolve) => {
    let [before, sinceMs] = [-1, Date.now()]
    const watch = setInterval(() => {
      const now = Atomics.load(at, 0)
      if (now !== before) [before, sinceMs] = [now, Date.now()]
      else if (Date.now() - sinceMs > HANG_MS) resolve(`input ${now} hangs; ${again()}`)
    }, 500)
    worker.once('message', resolve)
    worker.once('error', (error) => resolve(`${error.message}; ${again()}`))
    worker.once('exit', (code) => resolve(`the thread ended with ${code}; ${again()}`))
    Promise.resolve().then(() => worker.once('exit', () => clearInterval(watch)))
  }).then(async (outcome) => {
    await worker.terminate()
    return outcome as Outcome | string
  })
}

function problemOf({ finding, heapBytes, rssBytes }: Outcome): string {
  if (finding !== undefined) return `input ${finding.input}: ${finding.error}\n${finding.hex}`
  const kept = heapBytes[1] - heapBytes[0]
  if (kept > MAX_HEAP_GROWTH_BYTES) return `${megabytes(kept)} MB of heap are kept`
  const grown = rssBytes[1] - rssBytes[0]
  return grown > MAX_RSS_GROWTH_BYTES ? `the process grew by ${megabytes(grown)} MB` : ''
}

function memory({ heapBytes, rssBytes }: Outcome): string[] {
  return [heapBytes, rssBytes].map((pair) => pair.map(megabytes).join(' → '))
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}
