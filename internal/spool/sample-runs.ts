import type { Place } from './segment-format.ts'

interface Run {
  readonly first: Place
  readonly samplesEach: number
  records: number
}

/** Enough removed runs for a copy of the rest to be worth it. */
const COMPACT_AT = 1024

/**
 * How many samples stand before each of the records that may be committed. Neighbours with equally many share an entry: a million records
 * of one sample each cost nothing, and a million of changing size some 50 MB.
 */
export class SampleRuns {
  #runs: Run[] = []
  #head = 0

  /** Records are added in order; one that is known changes nothing. */
  add(place: Place, samples: number): void {
    const last = this.#runs.at(-1)
    if (last !== undefined && place.number < last.first.number + last.records) return
    if (last !== undefined && last.samplesEach === samples && last.first.number + last.records === place.number) {
      last.records++
    } else {
      this.#runs.push({ first: place, samplesEach: samples, records: 1 })
    }
  }

  /** The place behind the newest of the records up to a number, and forgets them; undefined when there is none. */
  passUpTo(number: number): Place | undefined {
    let passed: Place | undefined
    for (; this.#head < this.#runs.length; this.#head++) {
      const run = this.#runs[this.#head]!
      if (run.first.number > number) break
      const records = Math.min(run.records, number + 1 - run.first.number)
      passed = {
        number: run.first.number + records,
        samples: run.first.samples + records * run.samplesEach,
      }
      // The rest of the run stays, and may grow.
      if (records < run.records || this.#head === this.#runs.length - 1) break
    }
    if (this.#head >= COMPACT_AT && this.#head * 2 > this.#runs.length) {
      this.#runs = this.#runs.slice(this.#head)
      this.#head = 0
    }
    return passed
  }
}
