/**
 * The due times of the messages that Redis has not answered yet, in the order of their sending, which is also that of
 * the replies.
 */
export class DueRing {
  readonly #due: Float64Array
  #first = 0
  size = 0

  constructor(capacity: number) {
    this.#due = new Float64Array(capacity)
  }

  get room(): number {
    return this.#due.length - this.size
  }

  push(dueUs: number): void {
    this.#due[(this.#first + this.size++) % this.#due.length] = dueUs
  }

  shift(): number {
    const due = this.#due[this.#first]!
    this.#first = (this.#first + 1) % this.#due.length
    this.size--
    return due
  }

  /** Visits the last `count` due times that were pushed. */
  forLast(count: number, visit: (dueUs: number) => void): void {
    for (let i = this.size - count; i < this.size; i++) visit(this.#due[(this.#first + i) % this.#due.length]!)
  }
}
