import { errorText } from '../text/error-text.ts'

/** How often a store is asked that answered, and one that did not. Whoever makes its retention longer waits so long. */
const [AGAIN_MS, SOON_MS] = [300_000, 10_000]
const PATIENCE_MS = 10_000

export interface KnownRetentionOptions {
  /** Asks the store: ms, Infinity, or undefined where it does not say. */
  readonly ask: (signal: AbortSignal) => Promise<number | undefined>
  /** Told when it is another than before, and when it cannot be asked for the first time in a row. */
  readonly onChange: (ms: number | undefined) => void
  readonly onProblem: (problem: string) => void
}

/** How long a store keeps samples, asked for again and again. What is not known refuses nothing. */
export class KnownRetention {
  readonly #options: KnownRetentionOptions
  #ms: number | undefined
  #timer: NodeJS.Timeout | undefined
  #isFailing = false
  #isClosed = false
  /** Counts the stores that were asked: an answer of an earlier one says nothing. */
  #store = 0

  constructor(options: KnownRetentionOptions) {
    this.#options = options
    void this.#ask()
  }

  /** Undefined where it is not known, and where everything is kept. */
  get ms(): number | undefined {
    return this.#ms === Infinity ? undefined : this.#ms
  }

  /** The store is another one from now on. */
  restart(): void {
    this.#store++
    this.#ms = undefined
    clearTimeout(this.#timer)
    void this.#ask()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #ask(): Promise<void> {
    const store = this.#store
    const { ask, onChange, onProblem } = this.#options
    let problem = ''
    try {
      const ms = await ask(AbortSignal.timeout(PATIENCE_MS))
      if (store !== this.#store || this.#isClosed) return
      if (ms !== this.#ms) onChange(ms)
      this.#ms = ms
    } catch (error) {
      problem = errorText(error)
    }
    if (store !== this.#store || this.#isClosed) return
    if (problem !== '' && !this.#isFailing) onProblem(problem)
    this.#isFailing = problem !== ''
    this.#timer = setTimeout(() => void this.#ask(), this.#isFailing ? SOON_MS : AGAIN_MS).unref()
  }
}
