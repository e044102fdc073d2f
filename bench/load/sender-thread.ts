import { parentPort, workerData } from 'node:worker_threads'
import type { RedisOptions } from '../../internal/broker/redis/connection.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { sayLastWords } from './last-words.ts'
import { RedisLine } from './redis-line.ts'
import { Sender, type Step, type StepResult } from './sender.ts'
import { Tallies } from './tallies.ts'
import { type MessageOptions, workersOf, writerOf } from './writers.ts'

/** What a thread is started with. */
export interface ThreadData {
  readonly redis: RedisOptions
  readonly messages: MessageOptions
  readonly thread: number
  readonly threads: number
  readonly tallies: SharedArrayBuffer
}

/** What it is told: a step to run, with the name that its sources begin with. */
export interface ThreadTask {
  readonly step: Step
  readonly name: string
}

/** What it answers: `ready` once, then a result for each task; or what kept it from that. */
export type ThreadAnswer = { readonly ready: true } | { readonly result: StepResult } | { readonly problem: string }

/** Until it has seen whole milliseconds begin, the clock can be behind by up to one, and other threads' clocks by another part of it. */
const CLOCK_MS = 5

async function main(port: NonNullable<typeof parentPort>, data: ThreadData): Promise<void> {
  const { redis, messages, thread, threads } = data
  const clock = new WallClock()
  const tallies = new Tallies(threads, data.tallies)
  const workers = workersOf(thread, threads, messages.workers)
  const answer = (given: ThreadAnswer): void => port.postMessage(given)
  try {
    const line = await RedisLine.open(redis)
    for (const until = performance.now() + CLOCK_MS; performance.now() < until; ) clock.now()
    port.on('message', ({ step, name }: ThreadTask) => {
      const writer = writerOf(messages, name, workers)
      const options = { line, clock, thread, threads, tallies, workers: workers.length }
      const sender = new Sender(step, { ...options, messages: writer })
      sender
        .run()
        .then(async (result) => {
          await sayLastWords(line, writer.lastWords(clock.now(), sender.unreceivedOf))
          answer({ result })
        })
        .catch(({ message }: Error) => answer({ problem: message }))
    })
    answer({ ready: true })
  } catch (error) {
    answer({ problem: errorText(error) })
  }
}

if (parentPort !== null) await main(parentPort, workerData as ThreadData)
