import { errorText } from '../text/error-text.ts'
import { Backoff } from '../time/backoff.ts'
import { AnswerBody } from './answer-body.ts'
import { TargetError } from './target-error.ts'

/** Where a target is. It remembers which of its answers was taken last, and asks only for a newer one. */
export interface Place {
  /**
   * Reads what is new into the body.
   *
   * @throws TargetError
   */
  read(body: AnswerBody, signal: AbortSignal): Promise<'read' | 'nothing_new'>
  /** What was read last is good, and need not come again. */
  taken(): void
  close(): void
}

export interface TargetOptions {
  /** What people call it: without secrets. */
  readonly name: string
  readonly place: Place
  /** How often it is asked: pauses after failures begin with it. */
  readonly intervalMs: number
  /** How long all of an answer may take. */
  readonly timeoutMs: number
  readonly maxBodyBytes: number
  /** The setting with that bound, for people: `fabric.maxBodyBytes`. */
  readonly maxBodySetting?: string
  /** Told of the bytes of an answer as they come. */
  readonly onBytes?: ((bytes: number) => void) | undefined
  /** A monotonic timer, ms. */
  readonly nowMs?: () => number
}

/** Pauses grow up to so many intervals: after a long outage the target is asked again within that. */
const LONGEST_PAUSE_INTERVALS = 3

/**
 * What a source asks again and again. After a failure it is left alone for a while, and longer after each further one.
 *
 * The caller promises to ask it only when nothing asks it, and to say of each answer whether it was taken or not.
 */
export class Target {
  readonly name: string
  readonly intervalMs: number
  readonly #options: TargetOptions
  readonly #nowMs: () => number
  readonly #body: AnswerBody
  readonly #backoff: Backoff
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  #goodAtMs: number | undefined
  #error: TargetError | undefined

  constructor(options: TargetOptions) {
    this.name = options.name
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#body = new AnswerBody(options.maxBodyBytes, options.maxBodySetting, options.onBytes)
    const { intervalMs } = options
    this.intervalMs = intervalMs
    this.#backoff = new Backoff({ firstMs: intervalMs, largestMs: LONGEST_PAUSE_INTERVALS * intervalMs })
  }

  /** Whether the last answer was good. */
  get up(): boolean {
    return this.#goodAtMs !== undefined && this.#error === undefined
  }

  /** Why the last answer was not. */
  get error(): TargetError | undefined {
    return this.#error
  }

  /** How long ago the last good answer came, ms; undefined before there is one. */
  get ageMs(): number | undefined {
    return this.#goodAtMs === undefined ? undefined : this.#nowMs() - this.#goodAtMs
  }

  /** Whether it may be asked: it does not rest after a failure. */
  get isDue(): boolean {
    return this.#nowMs() >= this.#pausedUntilMs
  }

  /**
   * Asks for what is new.
   *
   * @returns all bytes of the answer, valid until it is asked again; undefined where there is nothing new
   * @throws TargetError, and what the signal was aborted with
   */
  async ask(signal: AbortSignal): Promise<Buffer | undefined> {
    const { place, timeoutMs } = this.#options
    const late = new TargetError('timeout', `it did not answer within ${timeoutMs / 1000} s`)
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(late), timeoutMs)
    const stop = (): void => limit.abort(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    try {
      signal.throwIfAborted()
      const answer = await place.read(this.#body, limit.signal)
      if (answer === 'read') return this.#body.bytes
      this.#good()
      return undefined
    } catch (cause) {
      if (signal.aborted) throw cause
      const words = `it cannot be read: ${errorText(cause)}`
      throw this.failed(cause instanceof TargetError ? cause : new TargetError('unreachable', words, { cause }))
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }

  /** What it answered is good. */
  taken(): void {
    this.#options.place.taken()
    this.#good()
  }

  /** What it answered is not good. @returns the error */
  failed(error: TargetError): TargetError {
    this.#error = error
    this.#pausedUntilMs = this.#nowMs() + this.#backoff.nextMs()
    return error
  }

  close(): void {
    this.#options.place.close()
  }

  #good(): void {
    this.#goodAtMs = this.#nowMs()
    this.#error = undefined
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY
    this.#backoff.reset()
  }
}
