import type { Place } from './segment-format.ts'

/** Records that are lost, and the samples in them. */
export interface Loss {
  readonly records: number
  readonly samples: number
}

interface Gap extends Loss {
  readonly from: Place
  readonly to: Place
}

/** The lost parts of a log that are not committed yet. The log's counts of records and samples leave them out. */
export class Gaps {
  records = 0
  samples = 0
  /** In order, without overlaps. */
  readonly #gaps: Gap[] = []

  /** Adds a part that is behind all the others. */
  add(from: Place, to: Place): Loss {
    const records = to.number - from.number
    const samples = Math.max(0, to.samples - from.samples)
    this.#gaps.push({ from, to, records, samples })
    this.records += records
    this.samples += samples
    return { records, samples }
  }

  /** Forgets the gaps that begin up to a place. @returns the place, moved behind a gap that begins there */
  pass(place: Place): Place {
    let moved = place
    let passed = 0
    for (; passed < this.#gaps.length && this.#gaps[passed]!.from.number <= moved.number; passed++) {
      const gap = this.#gaps[passed]!
      this.records -= gap.records
      this.samples -= gap.samples
      if (gap.to.number > moved.number) moved = gap.to
    }
    this.#gaps.splice(0, passed)
    return moved
  }
}
