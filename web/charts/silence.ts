import type { LiveSample } from '../shared/api.ts'

/** Columns that get no values are forgotten beyond this: on a machine with containers, disks come and go for ever. */
const MOST_COLUMNS = 1000

/**
 * Which columns of a chart get no values any more, because every series that fed them is stale, or is unknown to an API
 * that was started anew: a series that ended meanwhile is never told as stale.
 */
export class Silence {
  /** The fresh series that feed each column; none for a silent column. */
  readonly #feeders = new Map<string, Set<string>>()
  /** Each fresh series with the connection that brought it. */
  readonly #fresh = new Map<string, number>()
  #connection = 0
  /** Whether a chart without a fresh series is silent: before the first samples nothing is known. */
  #isKnown = false

  /** A connection is open. It first brings all that the API knows, or what is new to this page. */
  opened(): void {
    this.#connection++
  }

  /** Since `opened` all series of an API came that had told nothing before: what did not come, it does not know. */
  hasAll(): void {
    this.#isKnown = true
    for (const [key, connection] of this.#fresh) if (connection < this.#connection) this.#drop(key)
  }

  /** Notes that a fresh sample gave a column a value. */
  feed(column: string, sample: LiveSample): void {
    const feeders = this.#feeders.get(column) ?? new Set()
    this.#feeders.set(column, feeders.add(keyOf(sample)))
    if (this.#feeders.size <= MOST_COLUMNS) return
    for (const [name, { size }] of this.#feeders) if (size === 0) this.#feeders.delete(name)
  }

  /** Takes each live sample of the chart, before what it feeds. */
  note(sample: LiveSample): void {
    const key = keyOf(sample)
    if (sample.stale !== true) {
      this.#fresh.set(key, this.#connection)
      return
    }
    this.#isKnown = true
    this.#drop(key)
  }

  /** Whether all series of a column are stale or unknown, or all series of the chart: then it has no newest value. */
  isSilent(column: string): boolean {
    if (this.#fresh.size === 0) return this.#isKnown
    return this.#feeders.get(column)?.size === 0
  }

  #drop(key: string): void {
    this.#fresh.delete(key)
    for (const feeders of this.#feeders.values()) feeders.delete(key)
  }
}

function keyOf({ tags }: LiveSample): string {
  return JSON.stringify(Object.entries(tags).sort())
}
