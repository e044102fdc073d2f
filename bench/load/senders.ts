import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { packageFolder } from '../../internal/observe/package-folder.ts'
import { merge } from './counts.ts'
import type { LoadOptions } from './load-types.ts'
import type { Step, StepResult } from './sender.ts'
import type { ThreadAnswer, ThreadData, ThreadTask } from './sender-thread.ts'
import { Tallies } from './tallies.ts'

/**
 * The built program of a thread. Code that runs from its sources takes it from the build too, because Node.js 20 runs
 * no TypeScript.
 */
const THREAD_FILE = 'dist/bench/load/sender-thread.js'

/** The threads that send the load. */
export class Senders {
  readonly tallies: Tallies
  readonly #threads: readonly SenderThread[]
  /** Part of every run id, because the servers still keep counts of the runs of earlier loads. */
  readonly #load = randomBytes(4).toString('hex')

  /** Starts the threads, and resolves when all are connected. @throws Error that a user understands */
  static async open(options: LoadOptions): Promise<Senders> {
    const { redis, broker, format, workers, hosts, samplesPerMessage, values, leastPauseUs } = options
    const threads = Math.min(options.threads, workers)
    const tallies = new Tallies(threads)
    const messages = { broker, format, workers, hosts, samplesPerMessage, values }
    const started = Array.from({ length: threads }, (_, thread) => {
      return new SenderThread({ redis, messages, thread, threads, leastPauseUs, tallies: tallies.buffer })
    })
    const senders = new Senders(started, tallies)
    try {
      await Promise.all(started.map((thread) => thread.ready()))
      return senders
    } catch (error) {
      await senders.close()
      throw error
    }
  }

  private constructor(threads: readonly SenderThread[], tallies: Tallies) {
    this.#threads = threads
    this.tallies = tallies
  }

  /** @param name of the step */
  async run(step: Step, name: string): Promise<StepResult> {
    this.tallies.clear()
    const task = { step, name: `bench-${this.#load}-${name}` }
    const results = await Promise.all(this.#threads.map((thread) => thread.run(task)))
    const sum = (of: (result: StepResult) => number): number => results.reduce((total, result) => total + of(result), 0)
    return {
      messages: sum(({ messages }) => messages),
      unreceived: sum(({ unreceived }) => unreceived),
      lateness: merge(results.map(({ lateness }) => lateness)),
      reply: merge(results.map(({ reply }) => reply)),
      endUs: Math.max(...results.map(({ endUs }) => endUs)),
      lastSentUs: Math.max(...results.map(({ lastSentUs }) => lastSentUs)),
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }
}

class SenderThread {
  readonly #worker: Worker

  constructor(data: ThreadData) {
    this.#worker = new Worker(join(packageFolder(), THREAD_FILE), { workerData: data })
  }

  async ready(): Promise<void> {
    await this.#answer()
  }

  async run(task: ThreadTask): Promise<StepResult> {
    this.#worker.postMessage(task)
    const answer = await this.#answer()
    if (!('result' in answer)) throw new Error('a thread of the load generator answered with no result')
    return answer.result
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #answer(): Promise<Exclude<ThreadAnswer, { problem: string }>> {
    return new Promise((resolve, reject) => {
      const worker = this.#worker
      const done = (): void => {
        worker.off('message', hear).off('error', fail)
      }
      const fail = (error: Error): void => {
        done()
        reject(error)
      }
      const hear = (answer: ThreadAnswer): void => {
        done()
        if ('problem' in answer) reject(new Error(answer.problem))
        else resolve(answer)
      }
      worker.on('message', hear).on('error', fail)
    })
  }
}
