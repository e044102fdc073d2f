import type { Place } from './segment-format.ts'

/** Neighbouring records with equally many samples. */
interface Stretch {
  readonly first: Place
  readonly samplesEach: number
  records: number
}

/** With this many removed stretches at the front, copying the rest is worthwhile. */
const COMPACT_AT = 1024

/**
 * Knows the place behind each record that may be committed. Neighbours with equally many samples share an entry: a
 * million records of one sample each cost nothing, and a million of changing size some 50 MB.
 */
export class PlaceIndex {
  #stretches: Stretch[] = []
  #head = 0

  /** Records are added in order, each once. */
  add(place: Place, samples: number): void {
    const last = this.#stretches.at(-1)
    if (last !== undefined && last.samplesEach === samples && last.first.number + last.records === place.number) {
      last.records++
    } else {
      this.#stretches.push({ first: place, samplesEach: samples, records: 1 })
    }
  }

  /** Forgets the records up to a number. @returns the place behind the newest of them; undefined when there is none */
  passUpTo(number: number): Place | undefined {
    let passed: Place | undefined
    for (; this.#head < this.#stretches.length; this.#head++) {
      const stretch = this.#stretches[this.#head]!
      if (stretch.first.number > number) break
      const records = Math.min(stretch.records, number + 1 - stretch.first.number)
      passed = {
        number: stretch.first.number + records,
        samples: stretch.first.samples + records * stretch.samplesEach,
      }
      // The rest of the stretch stays, and may grow.
      if (records < stretch.records || this.#head === this.#stretches.length - 1) break
    }
    if (this.#head >= COMPACT_AT && this.#head * 2 > this.#stretches.length) {
      this.#stretches = this.#stretches.slice(this.#head)
      this.#head = 0
    }
    return passed
  }
}
