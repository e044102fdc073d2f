import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorText } from '../../internal/text/error-text.ts'
import type { Keeper } from './keeper.ts'

export interface ChildOptions {
  /** Its name in messages. */
  readonly name: string
  readonly command: readonly string[]
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>
  readonly folder: string
  /** Gets stdout and stderr. Overwrites the log of an earlier process of the same name. */
  readonly logFile: string
  readonly keeper: Keeper
  /** How long it may take to end when told to. Then it is killed. */
  readonly graceMs: number
  /** How `stop` tells it to end; a signal by default. */
  readonly askToEnd?: () => Promise<unknown>
}

const LAST_LINES = 12
const ASK_INTERVAL_MS = 30
const ASK_LIMIT_MS = 2_000
const START_LIMIT_MS = 60_000

/**
 * A program of the stack. It leads its own process group, for two reasons. Ctrl-C at a terminal does not reach it, so
 * the stack stops its programs in order. And a profiler around a server gets the same signals as the server.
 */
export class Child {
  readonly #options: ChildOptions
  readonly #pid: number | undefined
  /** How it ended, in words; set once it has. */
  #end = ''
  #isToEnd = false
  /** Resolves when it has ended: with how it ended, unless `stop` ended it. */
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
   * Calls `ask` again and again until it resolves.
   *
   * @param ask rejects with the reason while the program is not up
   * @throws Error with its last log lines if it ends first or takes too long
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

  /**
   * Resolves when it has ended with exit code 0. @throws Error with its last log lines if it ended otherwise, or the
   * reason of the signal
   */
  async untilDone(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    if (!signal.aborted) await Promise.race([this.ended, aborted])
    signal.throwIfAborted()
    if (this.#end !== 'ended with 0') throw this.#failure(this.#end)
  }

  /**
   * Tells it to end, and kills it after `graceMs`.
   *
   * @param signal at SIGINT profilers write their data; other programs treat it as SIGTERM
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
      // It ended a moment ago, and its `exit` event is still to come.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  #failure(what: string): Error {
    const { name, logFile } = this.#options
    return new Error(`${name} ${what}${lastLines(logFile)}`)
  }
}

/**
 * The end of the log, to append to a message. The log is gone if somebody removed the program's folder while it ran.
 */
function lastLines(logFile: string): string {
  if (!existsSync(logFile)) return '; its log is gone'
  const text = readFileSync(logFile, 'utf8').trimEnd()
  if (text === '') return `; it said nothing (${logFile})`
  const lines = text.split('\n').slice(-LAST_LINES)
  return `; the end of ${logFile}:\n${lines.map((line) => `  ${line}`).join('\n')}`
}
