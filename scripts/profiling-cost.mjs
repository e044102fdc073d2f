// Measures the cost of taking a profile. Decodes Packed messages and writes them as lines in many short turns, with and
// without a profile, and compares the work done in a second of CPU. CPU time covers all threads of the process, so
// other work on the machine matters little. The cost of starting and ending a profile is shown separately.
//
//   npm run build && node scripts/profiling-cost.mjs [cpu|heap] [rounds]     (cpu 100)
import { MessageDecoder } from '../dist/internal/codec/detect.js'
import { writeLine } from '../dist/internal/format/line/encode.js'
import { Profiler } from '../dist/internal/observe/profiling/profiler.js'
import { SeriesTable } from '../dist/internal/sample/series.js'

const MESSAGES = 1_000
const TURN_MS = 300
/**
 * Work before each measured turn, so that both kinds of turns begin warm. A profile lasts this much longer on both
 * sides.
 */
const MARGIN_MS = 100
const [kind = 'cpu', rounds = '100'] = process.argv.slice(2)
if (!['cpu', 'heap'].includes(kind) || !(Number(rounds) > 0)) {
  console.error('usage: node scripts/profiling-cost.mjs [cpu|heap] [rounds]')
  process.exit(2)
}
// A heap profile has two phases of its own. The first, in which it keeps all samples, costs more.
const PROFILE_MS = (TURN_MS + 2 * MARGIN_MS) * (kind === 'heap' ? 2 : 1)
const profiler = new Profiler('profiling-cost')
const never = new AbortController().signal

const decoder = new MessageDecoder(new SeriesTable())
const lines = Buffer.alloc(1 << 20)
const messages = Array.from({ length: MESSAGES }, (_, i) => {
  const message = Buffer.alloc(32)
  message.writeDoubleLE((i * 37) % 100, 8)
  message.writeDoubleLE(((i * 91) % 10_000) / 100, 16)
  message.writeBigInt64LE(1_763_900_000_123_456_789n + BigInt(i) * 7_000n, 24)
  return message
})

function work() {
  let offset = 0
  const arrival = { receivedAt: 1_763_900_000_123_456, tie: 0 }
  for (const message of messages) {
    const refusal = decoder.decode(message, arrival, (sample) => {
      offset = writeLine(sample, lines, offset)
    })
    if (refusal !== undefined) throw new Error(refusal.detail)
  }
}

const cpuMs = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Works for this time. @returns messages per ms of CPU */
async function speed(durationMs) {
  const before = cpuMs()
  const untilMs = performance.now() + durationMs
  let messagesDone = 0
  while (performance.now() < untilMs) {
    for (let i = 0; i < 10; i++) work()
    messagesDone += 10 * MESSAGES
    await new Promise(setImmediate)
  }
  return messagesDone / (cpuMs() - before)
}

const profile = (durationMs) => profiler[kind](durationMs, never)
const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

// Warm-up: V8 compiles the code, and the profiler is loaded.
await Promise.all([profile(TURN_MS), speed(TURN_MS * 2)])
const [without, within, once] = [[], [], []]
for (let round = 0; round < Number(rounds); round++) {
  await speed(MARGIN_MS)
  without.push(await speed(TURN_MS))
  const taken = profile(PROFILE_MS)
  await speed(MARGIN_MS)
  within.push(await speed(TURN_MS))
  await taken
  const before = cpuMs()
  await profile(100)
  once.push(cpuMs() - before)
}
const share = middle(within.map((value, round) => (1 - value / without[round]) * 100))
console.log(
  `${kind} profile: ${middle(without).toFixed(0)} messages a ms of CPU without, ${middle(within).toFixed(0)} with`,
)
console.log(`it costs ${share.toFixed(1)} % of the throughput, and ${middle(once).toFixed(0)} ms of CPU once`)
