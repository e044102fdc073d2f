import type { Logger } from 'pino'
import { errorText } from '../text/error-text.ts'

/**
 * Closes something that was opened. The signal fires when time runs short: an undo that waits for another machine then
 * gives up, counts what it could not save, and ends.
 */
export type Undo = (signal: AbortSignal) => Promise<void> | void

/** The part of the deadline after which the signal fires. The rest is for closing files and logging what was lost. */
const UNHURRIED_PART = 0.8
/** The time that each undo has once the signal has fired. Five of them fit into the last fifth of 25 s. */
const HURRIED_MS = 1000

/**
 * The stack of undos that end a process. Code that opens something pushes its undo, and the undos run in reverse order.
 * Parts are therefore opened against the flow of samples (admin listener, store, pipeline, subscription) and stop with
 * it: the intake ends, batches are flushed, the store closes, and the admin listener answers until the end.
 */
export class Releaser {
  readonly #logger: Logger
  readonly #undos: Array<{ readonly name: string; readonly undo: Undo }> = []
  #released: Promise<void> | undefined
  #isOver = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /**
   * Adds an undo. One that is pushed during the release runs next.
   *
   * @param name identifies the undo in the log, with its duration or its failure
   * @throws when the release is over; the undo then runs immediately
   */
  push(name: string, undo: Undo): void {
    if (this.#isOver) {
      void withLimit(HURRIED_MS, async () => undo(AbortSignal.abort())).catch(() => {})
      throw new Error(`${name} was opened after the stop`)
    }
    this.#undos.push({ name, undo })
  }

  /**
   * Runs every undo, one after the other, even when one fails or hangs. A second call returns the promise of the first.
   *
   * @throws AggregateError with the failures, after all undos have run or the deadline has passed
   */
  release(deadlineMs: number): Promise<void> {
    this.#released ??= this.#releaseAll(deadlineMs)
    return this.#released
  }

  async #releaseAll(deadlineMs: number): Promise<void> {
    const startedAt = performance.now()
    const hurry = new AbortController()
    const hurryTimer = setTimeout(() => hurry.abort(), deadlineMs * UNHURRIED_PART)
    const tookMs: Record<string, number> = {}
    const failures: Error[] = []
    try {
      for (let next = this.#undos.pop(); next !== undefined; next = this.#undos.pop()) {
        const { name, undo } = next
        const beginMs = performance.now()
        const elapsedMs = beginMs - startedAt
        const limitMs = Math.min(deadlineMs, Math.max(deadlineMs * UNHURRIED_PART, elapsedMs) + HURRIED_MS) - elapsedMs
        try {
          await withLimit(limitMs, async () => undo(hurry.signal))
        } catch (cause) {
          failures.push(new Error(`stopping ${name}: ${errorText(cause)}`, { cause }))
        }
        tookMs[name] = Math.round(performance.now() - beginMs)
      }
    } finally {
      clearTimeout(hurryTimer)
      this.#isOver = true
    }
    this.#logger.info({ stopMs: Math.round(performance.now() - startedAt), stages: tookMs }, 'stopped')
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '))
  }
}

async function withLimit(limitMs: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${Math.round(limitMs)} ms, abandoned`)), limitMs)
  })
  try {
    await Promise.race([work(), limit])
  } finally {
    clearTimeout(timer)
  }
}
