import type { Place } from './segment-format.ts'

/** What went: records, and the samples in them. */
export interface Loss {
  readonly records: number
  readonly samples: number
}

interface Gap extends Loss {
  readonly from: Place
  readonly to: Place
}

/** The parts of a log that are known to be lost and are not behind the commit yet, so that none is counted again when it is read again. */
export class Gaps {
  records = 0
  samples = 0
  /** In order, apart from each other. */
  readonly #gaps: Gap[] = []

  /** @returns what of it was not known before */
  add(from: Place, to: Place): Loss {
    const at = this.#firstFrom(from.number)
    let end = at
    let knownRecords = 0
    let knownSamples = 0
    for (; end < this.#gaps.length && this.#gaps[end]!.to.number <= to.number; end++) {
      knownRecords += this.#gaps[end]!.records
      knownSamples += this.#gaps[end]!.samples
    }
    const records = Math.max(knownRecords, to.number - from.number)
    const samples = Math.max(knownSamples, to.samples - from.samples)
    const found = { records: records - knownRecords, samples: samples - knownSamples }
    if (found.records > 0) this.#gaps.splice(at, end - at, { from, to, records, samples })
    this.records += found.records
    this.samples += found.samples
    return found
  }

  /** Forgets what begins up to a place. @returns the place, moved behind what is lost there */
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

  #firstFrom(number: number): number {
    let low = 0
    let high = this.#gaps.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#gaps[middle]!.from.number < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
