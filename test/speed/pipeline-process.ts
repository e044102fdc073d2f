// What the pipeline itself costs: frames of 100 samples, two floats of two decimals each, through decoding, live feed, loss and batches into a
// store that takes all at once, in one process without sockets. Prints {"samples": …, "cpuUs": …} of the time after the warm-up.
//
//   node pipeline-process.mjs <seconds>
import { frameCodec } from '../../internal/codec/frame.ts'
import { messagesOf, restampFrame, through } from '../support/pipeline-load.ts'

const WARM_UP_MS = 2_000
const SAMPLES_A_FRAME = 100

const round = await through(messagesOf(frameCodec, SAMPLES_A_FRAME), restampFrame)
await play(WARM_UP_MS)
const before = process.cpuUsage()
const frames = await play(Number(process.argv[2]) * 1000)
const { user, system } = process.cpuUsage(before)
console.log(JSON.stringify({ samples: frames * SAMPLES_A_FRAME, cpuUs: user + system }))
process.exit()

async function play(durationMs: number): Promise<number> {
  let frames = 0
  for (const endMs = performance.now() + durationMs; performance.now() < endMs; ) frames += await round()
  return frames
}
