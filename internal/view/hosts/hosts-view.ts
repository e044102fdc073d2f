import type { LiveSeries } from '../../live/live-series.ts'
import type { LiveTable } from '../../live/live-table.ts'
import { LiveHost } from './host.ts'

/**
 * The hosts of the live table. When it is asked, the view reads from the table what changed since it was asked last.
 * After an eviction it is built anew, so no host shows a figure of a series that is gone.
 */
export class HostsView {
  readonly #table: LiveTable
  #hosts = new Map<string, LiveHost>()
  /** How far the table has been read: its generation, its newest series, and the series that it had evicted. */
  #generation = 0
  #newestSeries = 0
  #evicted = 0

  constructor(table: LiveTable) {
    this.#table = table
  }

  /** Grows when anything may have changed. */
  get generation(): number {
    return this.#table.generation
  }

  /** Every host that is watched, in no order. */
  *watched(): IterableIterator<LiveHost> {
    for (const host of this.#upToDate().values()) if (host.watched) yield host
  }

  /** A host that any series names, also one that only runs a server. */
  host(name: string): LiveHost | undefined {
    return this.#upToDate().get(name)
  }

  #upToDate(): ReadonlyMap<string, LiveHost> {
    const { generation, evicted } = this.#table
    if (this.#generation === generation) return this.#hosts
    if (this.#evicted !== evicted) {
      this.#evicted = evicted
      this.#hosts = new Map()
      this.#generation = this.#newestSeries = 0
    }
    for (const live of this.#table.changedSince(this.#generation)) this.#read(live)
    this.#generation = generation
    return this.#hosts
  }

  #read(live: LiveSeries): void {
    const { host: name, number } = live
    if (name === undefined) return
    let host = this.#hosts.get(name)
    if (host === undefined) {
      host = new LiveHost(name, this.#table)
      this.#hosts.set(name, host)
    }
    if (number > this.#newestSeries) {
      host.adopt(live)
      this.#newestSeries = number
    }
    host.read(live)
  }
}
