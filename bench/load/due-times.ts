/**
 * When messages are due, in whole µs since the epoch. No two messages of a run share a microsecond, whichever thread sends them: some formats
 * have nothing else to tell their samples apart, and so many samples shall be so many points.
 */

/** The most messages a second that have a microsecond each. */
export const MAX_RATE = 1_000_000

/**
 * Of an open loop: the ideal schedule. It knows nothing of how late the sender or anything behind it is, so that a stall counts for all the
 * messages that were due in it, and not for the one that met it (no coordinated omission).
 */
export class Schedule {
  /** Messages of this thread. */
  readonly count: number
  readonly #startUs: number
  readonly #intervalUs: number
  readonly #thread: number
  readonly #threads: number

  constructor(load: {
    readonly startUs: number
    readonly durationMs: number
    readonly ratePerSecond: number
    readonly thread: number
    readonly threads: number
  }) {
    this.#startUs = load.startUs
    this.#intervalUs = 1e6 / load.ratePerSecond
    this.#thread = load.thread
    this.#threads = load.threads
    const all = Math.round((load.ratePerSecond * load.durationMs) / 1000)
    this.count = Math.max(0, Math.ceil((all - load.thread) / load.threads))
  }

  /** When this thread's message `n` is due, counted from 0; the threads take turns. */
  dueUs(n: number): number {
    return this.#startUs + Math.floor((n * this.#threads + this.#thread) * this.#intervalUs)
  }

  /** How many of this thread's messages are due at `nowUs` or were before. */
  dueBy(nowUs: number): number {
    const turns = (nowUs - this.#startUs) / this.#intervalUs
    // Rounded down twice, it can be one too few, and never too many.
    let due = Math.min(Math.max(Math.floor((turns - this.#thread) / this.#threads), 0), this.count)
    while (due < this.count && this.dueUs(due) <= nowUs) due++
    return due
  }
}

/**
 * Of a closed loop: a message is due when its worker's reply is there. Many are read at once, and share out the last microseconds up to now,
 * each thread those that are its own.
 */
export class Turns {
  readonly #thread: number
  readonly #threads: number
  #last: number

  /** @param startUs before which nothing is due */
  constructor(startUs: number, thread: number, threads: number) {
    this.#thread = thread
    this.#threads = threads
    this.#last = this.#ownUpTo(startUs - 1)
  }

  /** How many messages may be due until now: so many microseconds are left since the last. */
  room(nowUs: number): number {
    return Math.max(0, (this.#ownUpTo(nowUs) - this.#last) / this.#threads)
  }

  /** The time of the first of `count` messages that are due now; each of the others is `threads` µs after the one before. */
  begin(nowUs: number, count: number): number {
    const span = (count - 1) * this.#threads
    const first = Math.max(this.#ownUpTo(nowUs) - span, this.#last + this.#threads)
    this.#last = first + span
    return first
  }

  #ownUpTo(us: number): number {
    return us - ((us - this.#thread) % this.#threads)
  }
}
