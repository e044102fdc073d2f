/** A fifth: from 2 ms to 200 ms in 26 steps. */
const UP = 1.2
/** The first values move it down this much faster: those of a store and a process that are both new are long. */
const [FIRST, FASTER] = [40, 5]

/**
 * The value that a given share of the recent ones do not exceed, as one number: a value above it moves it up by
 * a fifth, any other down by so much less that both balance at that share. One value of any size moves it no further;
 * a running mean would be spoilt by one write of 2 s for the next twenty.
 */
export class RunningQuantile {
  readonly #down: number
  #value = 0
  #recorded = 0

  /** @param share between 0 and 1: with 0.95 it is the 95th percentile */
  constructor(share: number) {
    this.#down = UP ** ((share - 1) / share)
  }

  /** 0 before the first. */
  get value(): number {
    return this.#value
  }

  /** @param value above 0 */
  record(value: number): void {
    if (this.#value === 0) this.#value = value
    else if (value > this.#value) this.#value *= UP
    else this.#value *= this.#recorded < FIRST ? this.#down ** FASTER : this.#down
    this.#recorded++
  }
}
