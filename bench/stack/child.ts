import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorText } from '../../internal/text/error-text.ts'
import type { Keeper } from './keeper.ts'

export interface ChildOptions {
  /** What messages call it. */
  readonly name: string
  readonly command: readonly string[]
  /** All that it gets. */
  readonly env: Readonly<Record<string, string>>
  readonly folder: string
  /** Both of its streams. What an earlier process of the name said there is lost. */
  readonly logFile: string
  readonly keeper: Keeper
  /** What it has to end by itself when it is told to, until it is killed. */
  readonly graceMs: number
  /** How `stop` tells it, instead of by a signal. */
  readonly askToEnd?: () => Promise<unknown>
}

const LAST_LINES = 12
const ASK_INTERVAL_MS = 30
const ASK_LIMIT_MS = 2_000
const START_LIMIT_MS = 60_000

/**
 * A program of the stack. It leads a process group, for two reasons: Ctrl-C at a terminal does not reach it, so that the stack stops in
 * its order; and a profiler around a server gets the same signals as the server.
 */
export class Child {
  readonly #options: ChildOptions
  readonly #pid: number | undefined
  /** In words, once it has ended. */
  #end = ''
  #isToEnd = false
  /** Resolves when it has ended: with how, unless it had been told to. */
  readonly ended: Promise<Error | undefined>

  constructor(options: ChildOptions) {
    const { command, env, folder, logFile, keeper } = options
    this.#options = options
    const log = openSync(logFile, 'w')
    const [program = '', ...args] = command
    const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', log, log], detached: true })
    closeSync(log)
    const { pid } = child
    this.#pid = pid
    if (pid !== undefined) keeper.watch(pid)
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#end = how
        if (pid !== undefined) keeper.forget(pid)
        resolve(this.#isToEnd ? undefined : this.#failure(how))
      }
      child.once('error', ({ message }) => end(`could not be started: ${message}`))
      child.once('exit', (code, signal) => end(code === null ? `was ended by ${signal}` : `ended with ${code}`))
    })
  }

  /** undefined where it could not be started. */
  get pid(): number | undefined {
    return this.#pid
  }

  /**
   * Asks until there is an answer.
   *
   * @param ask rejects, saying why, while it is not up
   * @throws Error with its last lines when it ends first, or takes too long
   */
  async untilUp<T>(
    ask: (limit: AbortSignal) => Promise<T>,
    signal: AbortSignal,
    startLimitMs = START_LIMIT_MS,
  ): Promise<T> {
    const deadline = performance.now() + startLimitMs
    for (;;) {
      signal.throwIfAborted()
      if (this.#end !== '') throw this.#failure(this.#end)
      try {
        return await ask(AbortSignal.any([signal, AbortSignal.timeout(ASK_LIMIT_MS)]))
      } catch (error) {
        const why = errorText(error)
        if (performance.now() > deadline) throw this.#failure(`is not up after ${startLimitMs / 1000} s (${why})`)
      }
      await Promise.race([sleep(ASK_INTERVAL_MS), this.ended])
    }
  }

  /** Resolves when it has ended well. @throws Error with its last lines when it has not, or the reason of the signal */
  async untilDone(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    if (!signal.aborted) await Promise.race([this.ended, aborted])
    signal.throwIfAborted()
    if (this.#end !== 'ended with 0') throw this.#failure(this.#end)
  }

  /**
   * Tells it to end, and kills it after its grace.
   *
   * @param signal profilers write what they have at SIGINT; other programs treat it as SIGTERM
   */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    const { askToEnd, graceMs } = this.#options
    if (this.#end !== '') return
    this.#isToEnd = true
    if (askToEnd === undefined) this.#kill(signal)
    else await askToEnd()
    const forced = setTimeout(() => this.#kill('SIGKILL'), graceMs)
    await this.ended
    clearTimeout(forced)
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.#pid === undefined) return
    try {
      process.kill(-this.#pid, signal)
    } catch (error) {
      // It ended a moment ago, and its exit is on the way to us.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  #failure(what: string): Error {
    const { name, logFile } = this.#options
    return new Error(`${name} ${what}${lastLines(logFile)}`)
  }
}

/** For the end of a message. Whoever removes the folder of a program that is still at work removes its log with it. */
function lastLines(logFile: string): string {
  if (!existsSync(logFile)) return '; its log is gone'
  const text = readFileSync(logFile, 'utf8').trimEnd()
  if (text === '') return `; it said nothing (${logFile})`
  const lines = text.split('\n').slice(-LAST_LINES)
  return `; the end of ${logFile}:\n${lines.map((line) => `  ${line}`).join('\n')}`
}
