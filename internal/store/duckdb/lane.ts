/**
 * Runs jobs one after the other, in the order of the calls. A DuckDB connection does one thing at a time, and a transaction is one
 * job.
 */
export class Lane {
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Jobs that have not ended, the running one included. */
  get waiting(): number {
    return this.#waiting
  }

  run<T>(job: () => Promise<T>): Promise<T> {
    this.#waiting++
    const result = this.#tail.then(job).finally(() => {
      this.#waiting--
    })
    this.#tail = result.catch(() => undefined)
    return result
  }
}
