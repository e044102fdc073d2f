import type { LiveSeries } from './live-series.ts'

/** Which series a client wants to see, by anything else than their host and measurement. */
export interface SeriesFilter {
  /** Equal for filters that let the same through. */
  readonly key: string
  passes(live: LiveSeries): boolean
}

/** What a client wants to see. A part that is left out lets everything through. */
export class FeedFilter {
  /** Equal for filters that let the same through. */
  readonly key: string
  readonly hosts: ReadonlySet<string> | undefined
  readonly #measurements: ReadonlySet<string> | undefined
  readonly #series: SeriesFilter | undefined

  constructor(hosts?: Iterable<string>, measurements?: Iterable<string>, series?: SeriesFilter) {
    this.hosts = hosts && new Set(hosts)
    this.#measurements = measurements && new Set(measurements)
    this.#series = series
    const sets = [this.hosts, this.#measurements].map((set) => (set ? [...set].sort() : null))
    this.key = JSON.stringify([...sets, series?.key ?? null])
  }

  passes(live: LiveSeries): boolean {
    if (this.#measurements !== undefined && !this.#measurements.has(live.series.measurement)) return false
    if (this.#series !== undefined && !this.#series.passes(live)) return false
    return this.hosts === undefined || (live.host !== undefined && this.hosts.has(live.host))
  }
}
