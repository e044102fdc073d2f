import type { LiveSample } from '../shared/api.ts'

/** Columns that get no values are forgotten beyond this: on a machine with containers, disks come and go for ever. */
const MOST_COLUMNS = 1000

/** Which columns of a chart get no values any more, because every series that fed them is stale. */
export class Silence {
  /** The fresh series that feed each column; none for a silent column. */
  readonly #feeders = new Map<string, Set<string>>()
  readonly #fresh = new Set<string>()
  #hasStale = false

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
      this.#fresh.add(key)
      return
    }
    this.#hasStale = true
    this.#fresh.delete(key)
    for (const feeders of this.#feeders.values()) feeders.delete(key)
  }

  /** Whether all series of a column are stale, or all series of the chart: then it has no newest value. */
  isSilent(column: string): boolean {
    if (this.#fresh.size === 0) return this.#hasStale
    return this.#feeders.get(column)?.size === 0
  }
}

function keyOf({ tags }: LiveSample): string {
  return JSON.stringify(Object.entries(tags).sort())
}
