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

/**
 * The parts of a log that are found lost and are not committed yet: its records and samples are counted without them.
 */
export class Gaps {
  records = 0
  samples = 0
  /** In order, apart from each other. */
  readonly #gaps: Gap[] = []

  /** A part behind all that were added before. */
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
