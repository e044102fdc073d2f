import { sameBytes } from './same-bytes.ts'
import type { Series, SeriesTable } from './series.ts'
import { endOfNames } from './series-names.ts'

const MIN_FOLLOWERS = 64

/**
 * Finds the series of one message after another by their names. Agents send theirs in the same order each time, so the
 * series that followed last time is compared first. Only where it is another one, the table is searched by a hash: that
 * took a fifth of the time of a frame whose series have one sample each.
 */
export class SeriesFinder {
  readonly #table: SeriesTable
  /** The number of the series that followed, by the number of the series: 4 bytes for each. */
  #followers = new Int32Array(MIN_FOLLOWERS)
  #last = 0

  constructor(table: SeriesTable) {
    this.#table = table
  }

  /**
   * The series whose names begin here, in the bytes of series-names.ts.
   *
   * @param view of the same bytes
   * @returns undefined where the table has no such series, or the names are not whole before `end`
   */
  find(names: Uint8Array, view: DataView, start: number, end: number): Series | undefined {
    const guessed = this.#table.at(this.#followers[this.#last]!)
    if (guessed !== undefined && isNamed(guessed, view, start, end)) {
      this.#last = guessed.number
      return guessed
    }
    const namesEnd = endOfNames(names, start, end)
    const found = namesEnd < 0 ? undefined : this.#table.find(names, start, namesEnd)
    if (found !== undefined) this.#follow(found.number)
    return found
  }

  #follow(number: number): void {
    this.#followers[this.#last] = number
    if (number >= this.#followers.length) {
      const followers = new Int32Array(2 * number)
      followers.set(this.#followers)
      this.#followers = followers
    }
    this.#last = number
  }
}

/** Names say where they end, so those that begin with all names of a series are its names. */
function isNamed({ memory, namesAt, namesBytes }: Series, view: DataView, start: number, end: number): boolean {
  return namesBytes <= end - start && sameBytes(memory.view, namesAt, view, start, namesBytes)
}
