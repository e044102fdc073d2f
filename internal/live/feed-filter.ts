import type { LiveSeries } from './live-series.ts'

/** What a client wants to see. A part that is left out lets everything through. */
export class FeedFilter {
  /** Equal for filters that let the same through. */
  readonly key: string
  readonly hosts: ReadonlySet<string> | undefined
  readonly #measurements: ReadonlySet<string> | undefined

  constructor(hosts?: Iterable<string>, measurements?: Iterable<string>) {
    this.hosts = hosts && new Set(hosts)
    this.#measurements = measurements && new Set(measurements)
    this.key = JSON.stringify([this.hosts, this.#measurements].map((set) => (set ? [...set].sort() : null)))
  }

  passes(live: LiveSeries): boolean {
    if (this.#measurements !== undefined && !this.#measurements.has(live.series.measurement)) return false
    return this.hosts === undefined || (live.host !== undefined && this.hosts.has(live.host))
  }
}
