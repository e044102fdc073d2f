/**
 * When messages are due, in whole µs since the epoch. No two messages of a load share a microsecond, over all threads:
 * in some formats the time is all that tells two samples apart, and each sample must become a point of its own.
 */

/** The highest rate, in messages a second, at which each message has a microsecond of its own. */
export const MAX_RATE = 1_000_000

/**
 * The schedule of an open loop. It does not depend on how late the sender, Redis or the servers are. A stall therefore
 * counts for every message that was due in it, and not only for the one that was being sent (no coordinated omission).
 */
export class Schedule {
  /** How many messages this thread sends. */
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

  /** How many of this thread's messages are due at or before `nowUs`. */
  dueBy(nowUs: number): number {
    const turns = (nowUs - this.#startUs) / this.#intervalUs
    // Rounding down twice may give one too few, never too many.
    let due = Math.min(Math.max(Math.floor((turns - this.#thread) / this.#threads), 0), this.count)
    while (due < this.count && this.dueUs(due) <= nowUs) due++
    return due
  }
}

/**
 * The due times of a closed loop: a message is due when the reply to its worker's last message has come. Many replies
 * come in one chunk. Their messages get the most recent microseconds, of which every `threads`th belongs to this
 * thread.
 */
export class Turns {
  readonly #thread: number
  readonly #threads: number
  #last: number

  /** @param startUs nothing is due before this */
  constructor(startUs: number, thread: number, threads: number) {
    this.#thread = thread
    this.#threads = threads
    this.#last = this.#ownUpTo(startUs - 1)
  }

  /** How many messages may be due now: the number of this thread's microseconds since its last message. */
  room(nowUs: number): number {
    return Math.max(0, (this.#ownUpTo(nowUs) - this.#last) / this.#threads)
  }

  /** The due time of the first of `count` messages. Each of the others is due `threads` µs after the one before. */
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
