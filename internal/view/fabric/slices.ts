import { setImmediate as nextTurn } from 'node:timers/promises'

/** Requests wait no longer than this for the work in between, ms. */
const SLICE_MS = 2
/** Between two looks at the clock: so many steps of a loop take less than a tenth of a slice. */
const STEPS = 512

/** Long work in pieces that never hold up the process: each loop asks at each of its steps whether it has to pause. */
export class Slices {
  #step = 0
  #endMs = performance.now() + SLICE_MS

  /** Whether the slice is over: then await `pause`. */
  get isOver(): boolean {
    return (++this.#step & (STEPS - 1)) === 0 && performance.now() > this.#endMs
  }

  async pause(): Promise<void> {
    await nextTurn()
    this.#endMs = performance.now() + SLICE_MS
  }
}
