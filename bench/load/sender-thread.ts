import { parentPort, workerData } from 'node:worker_threads'
import type { RedisOptions } from '../../internal/broker/redis/client.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { sendEndMarkers } from './end-markers.ts'
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
  readonly leastPauseUs: number | undefined
}

/** A step to run, and the beginning of the run ids of its workers. */
export interface ThreadTask {
  readonly step: Step
  readonly name: string
}

/** `ready` once, then a result for each task; or the problem that prevented it. */
export type ThreadAnswer = { readonly ready: true } | { readonly result: StepResult } | { readonly problem: string }

/**
 * How long a thread reads its clock before the run. A clock that has not yet seen a millisecond begin may be up to 1 ms
 * behind, and those of other threads by another amount.
 */
const CLOCK_MS = 5

async function main(port: NonNullable<typeof parentPort>, data: ThreadData): Promise<void> {
  const { redis, messages, thread, threads, leastPauseUs } = data
  const clock = new WallClock()
  const tallies = new Tallies(threads, data.tallies)
  const workers = workersOf(thread, threads, messages.workers)
  const answer = (given: ThreadAnswer): void => port.postMessage(given)
  try {
    const line = await RedisLine.open(redis)
    for (const until = performance.now() + CLOCK_MS; performance.now() < until; ) clock.now()
    port.on('message', ({ step, name }: ThreadTask) => {
      const writer = writerOf(messages, name, workers)
      const options = { line, clock, thread, threads, tallies, leastPauseUs, workers: workers.length }
      const sender = new Sender(step, { ...options, messages: writer })
      sender
        .run()
        .then(async (result) => {
          await sendEndMarkers(line, writer.endMarkers(clock.now(), sender.unreceivedOf))
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
