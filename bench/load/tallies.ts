const STOP = 0
const DONE = 1
const SHARED = 2
const PER_THREAD = 2

/**
 * What the threads of a load share while they send: how many messages each has sent, how many of them no server
 * received, how many the servers have done, and whether to stop. All are counts of messages of the current step, modulo
 * 2^32.
 */
export class Tallies {
  readonly buffer: SharedArrayBuffer
  readonly #cells: Int32Array
  readonly #threads: number

  /** @param buffer of another thread's tallies; a new one unless given */
  constructor(threads: number, buffer = new SharedArrayBuffer((SHARED + PER_THREAD * threads) * 4)) {
    this.buffer = buffer
    this.#cells = new Int32Array(buffer)
    this.#threads = threads
  }

  get stopped(): boolean {
    return Atomics.load(this.#cells, STOP) === 1
  }

  stop(): void {
    Atomics.store(this.#cells, STOP, 1)
  }

  /** Prepares for the next step. */
  clear(): void {
    this.#cells.fill(0)
  }

  report(thread: number, sent: number, unreceived: number): void {
    Atomics.store(this.#cells, SHARED + PER_THREAD * thread, sent)
    Atomics.store(this.#cells, SHARED + PER_THREAD * thread + 1, unreceived)
  }

  /** Messages that the senders no longer wait for: those that `doneOf` counts, and those that no server received. */
  set done(messages: number) {
    Atomics.store(this.#cells, DONE, messages)
  }

  get sent(): number {
    return this.#sum(0) >>> 0
  }

  get unreceived(): number {
    return this.#sum(1) >>> 0
  }

  /** Messages that are not done. */
  get ahead(): number {
    return (this.#sum(0) - Atomics.load(this.#cells, DONE)) | 0
  }

  #sum(which: number): number {
    let sum = 0
    for (let thread = 0; thread < this.#threads; thread++) {
      sum += Atomics.load(this.#cells, SHARED + PER_THREAD * thread + which)
    }
    return sum
  }
}
