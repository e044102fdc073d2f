import type { LiveTable } from '../../live/live-table.ts'
import type { HostSeries } from '../../live/series-by-host.ts'
import { LiveHost } from './host.ts'

/**
 * The hosts of the live table. A host is made once, and anew when a series of it comes or goes: its figures are read
 * from its series when they are asked for, so samples cost the view nothing.
 */
export class HostsView {
  readonly #table: LiveTable
  readonly #made = new WeakMap<HostSeries, LiveHost>()

  constructor(table: LiveTable) {
    this.#table = table
  }

  /** Grows when anything may have changed. */
  get generation(): number {
    return this.#table.generation
  }

  /** Grows when a host, or a series of one, comes or goes. */
  get version(): number {
    return this.#table.byHost.version
  }

  /** Every host that is watched, in no order. */
  *watched(): IterableIterator<LiveHost> {
    for (const series of this.#table.byHost.all()) {
      const host = this.#of(series)
      if (host.watched) yield host
    }
  }

  /** A host that any series names, also one that only runs a server. */
  host(name: string): LiveHost | undefined {
    const series = this.#table.byHost.get(name)
    return series === undefined ? undefined : this.#of(series)
  }

  #of(series: HostSeries): LiveHost {
    const made = this.#made.get(series)
    if (made?.version === series.version) return made
    const host = new LiveHost(series, this.#table)
    this.#made.set(series, host)
    return host
  }
}
