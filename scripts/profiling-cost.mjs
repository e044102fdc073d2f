// What taking a profile costs: decodes Packed messages and writes them as lines, over and over, while one is taken and while none is, in
// turns, and compares the work done in a second of CPU. That counts every thread of the process, so what else the machine does matters little.
//
//   npm run build && node scripts/profiling-cost.mjs [cpu|heap] [seconds of a profile] [rounds]     (cpu 10 5)

import { MessageDecoder } from '../dist/internal/codec/detect.js'
import { encodeLine } from '../dist/internal/line/encode.js'
import { Profiler } from '../dist/internal/observe/profiling/profiler.js'
import { SeriesTable } from '../dist/internal/sample/series.js'

const MESSAGES = 1_000
const [kind = 'cpu', seconds = '10', rounds = '5'] = process.argv.slice(2)
if (!['cpu', 'heap'].includes(kind) || !(Number(seconds) > 0) || !(Number(rounds) > 0)) {
  console.error('usage: node scripts/profiling-cost.mjs [cpu|heap] [seconds of a profile] [rounds]')
  process.exit(2)
}
const durationMs = Number(seconds) * 1000
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
      offset += lines.write(encodeLine(sample), offset, 'latin1')
    })
    if (refusal !== undefined) throw new Error(refusal.detail)
  }
}

/** Messages a second of CPU, until what is awaited is there. */
async function speedUntil(awaited) {
  let isOver = false
  awaited.finally(() => {
    isOver = true
  })
  const before = process.cpuUsage()
  let messagesDone = 0
  while (!isOver) {
    for (let i = 0; i < 10; i++) work()
    messagesDone += 10 * MESSAGES
    await new Promise(setImmediate)
  }
  await awaited
  const { user, system } = process.cpuUsage(before)
  return (messagesDone / (user + system)) * 1e6
}

const wait = () => new Promise((resolve) => setTimeout(resolve, durationMs))
const profile = () => profiler[kind](durationMs, never)
// Until V8 has compiled what there is to compile, and the profiler is loaded.
await speedUntil(profile())
const shares = []
for (let round = 0; round < Number(rounds); round++) {
  const without = await speedUntil(wait())
  const within = await speedUntil(profile())
  shares.push((1 - within / without) * 100)
  console.log(`${Math.round(without)} messages a second of CPU, ${Math.round(within)} while a ${kind} profile is taken`)
}
shares.sort((a, b) => a - b)
const [least, median, most] = [shares[0], shares[shares.length >> 1], shares.at(-1)].map((share) => share.toFixed(1))
console.log(
  `a ${kind} profile of ${seconds} s costs ${median} % of the throughput (${least} to ${most} % in ${rounds} rounds)`,
)
