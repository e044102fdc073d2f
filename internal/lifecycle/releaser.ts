import type { Logger } from 'pino'
import { errorText } from '../text/error-text.ts'

/**
 * Undoes what was opened. The signal fires when time runs short: what waits for another machine gives up then, counts what it
 * could not save, and ends.
 */
export type Undo = (signal: AbortSignal) => Promise<void> | void

/** Of the time to stop, the part after which undos are told to hurry; the rest is for closing files and saying what was lost. */
const PATIENCE = 0.8
/** What an undo gets once time runs short. Five of them fit into the last fifth of 25 s. */
const HURRIED_MS = 1000

/**
 * What a process must undo to end, a stack: whoever opens a thing pushes its undo, and they run in reverse. So things are opened
 * against the flow (admin listener, store, pipeline, subscription) and stop with it: nothing comes in, what is inside is
 * flushed, the store closes, and the admin listener answers until the end.
 */
export class Releaser {
  readonly #logger: Logger
  readonly #undos: Array<{ readonly name: string; readonly undo: Undo }> = []
  #released: Promise<void> | undefined
  #over = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /**
   * What is pushed while the release runs is undone before the rest.
   *
   * @param name says in the log what took how long, or failed
   * @throws when the release is over: what was opened so late is undone at once, and its opener need not go on
   */
  push(name: string, undo: Undo): void {
    if (this.#over) {
      void withLimit(HURRIED_MS, async () => undo(AbortSignal.abort())).catch(() => {})
      throw new Error(`${name} was opened when everything had been stopped`)
    }
    this.#undos.push({ name, undo })
  }

  /**
   * Runs every undo, one after the other, whether or not one fails or hangs. A second call gets the promise of the first.
   *
   * @throws AggregateError with what failed, when all have run or the deadline has passed
   */
  release(deadlineMs: number): Promise<void> {
    this.#released ??= this.#releaseAll(deadlineMs)
    return this.#released
  }

  async #releaseAll(deadlineMs: number): Promise<void> {
    const startedAt = performance.now()
    const hurry = new AbortController()
    const hurryTimer = setTimeout(() => hurry.abort(), deadlineMs * PATIENCE)
    const tookMs: Record<string, number> = {}
    const failures: Error[] = []
    try {
      for (let next = this.#undos.pop(); next !== undefined; next = this.#undos.pop()) {
        const { name, undo } = next
        const beginMs = performance.now()
        const elapsedMs = beginMs - startedAt
        const limitMs = Math.min(deadlineMs, Math.max(deadlineMs * PATIENCE, elapsedMs) + HURRIED_MS) - elapsedMs
        try {
          await withLimit(limitMs, async () => undo(hurry.signal))
        } catch (cause) {
          failures.push(new Error(`stopping ${name}: ${messageOf(cause)}`, { cause }))
        }
        tookMs[name] = Math.round(performance.now() - beginMs)
      }
    } finally {
      clearTimeout(hurryTimer)
      this.#over = true
    }
    this.#logger.info({ stopMs: Math.round(performance.now() - startedAt), stages: tookMs }, 'stopped')
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '))
  }
}

async function withLimit(limitMs: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${Math.round(limitMs)} ms, left behind`)), limitMs)
  })
  try {
    await Promise.race([work(), limit])
  } finally {
    clearTimeout(timer)
  }
}

function messageOf(error: unknown): string {
  return errorText(error)
}
