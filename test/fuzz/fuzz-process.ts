import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { Random } from '../support/random.ts'
import { decoderTargets } from './decoders.ts'
import { spoolTargets } from './spool.ts'

/** The task of a worker. */
export interface Task {
  readonly target: string
  readonly seed: number
  /** The numbers of the inputs, `[from, to)`. */
  readonly from: number
  readonly to: number
  /** The number of the current input: the main thread watches it. */
  readonly progress: SharedArrayBuffer
}

export interface Finding {
  readonly input: number
  readonly hex: string
  readonly error: string
}

/** The outcome of a task. */
export interface Outcome {
  readonly good: number
  readonly finding: Finding | undefined
  /** Memory after a garbage collection: after a tenth of the inputs, and at the end. */
  readonly heapBytes: readonly [number, number]
  readonly rssBytes: readonly [number, number]
}

const CHECK_EVERY = 10_000
const SHOWN_BYTES = 2000

async function work({ target: name, seed, from, to, progress }: Task): Promise<Outcome> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const targets = [...decoderTargets(), ...(await spoolTargets())]
  const target = targets.find((one) => one.name === name)
  if (target === undefined) throw new Error(`no target ${name}`)
  const at = new Int32Array(progress)
  const measure = (): [number, number] => {
    collect()
    return [process.memoryUsage().heapUsed, process.memoryUsage.rss()]
  }
  let before = measure()
  let good = 0
  let finding: Finding | undefined
  for (let input = from; input < to; input++) {
    Atomics.store(at, 0, input)
    const random = new Random(seed, input)
    const bytes = target.make(random)
    try {
      const taken = target.take(bytes, random)
      if (typeof taken === 'boolean' ? taken : await taken) good++
      if (input % CHECK_EVERY === 0) await target.check()
    } catch (error) {
      const words = error instanceof Error ? (error.stack ?? error.message) : String(error)
      finding = { input, hex: bytes.toString('hex', 0, SHOWN_BYTES), error: words }
      break
    }
    if (input === from + Math.floor((to - from) / 10)) before = measure()
  }
  if (finding === undefined) await target.check()
  const after = measure()
  for (const one of targets) await one.close?.()
  return { good, finding, heapBytes: [before[0], after[0]], rssBytes: [before[1], after[1]] }
}

work(workerData as Task).then((outcome) => parentPort?.postMessage(outcome))
