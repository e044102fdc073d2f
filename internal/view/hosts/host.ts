import type { LiveSeries } from '../../live/live-series.ts'
import type { LiveTable } from '../../live/live-table.ts'
import type { HostSeries } from '../../live/series-by-host.ts'
import { isOfPrograms, OWN_MEASUREMENT } from '../../sample/of-programs.ts'
import { numberOf, textOf } from '../values.ts'
import type { HostFigures } from './figures.ts'

/** A host and its series: Telegraf's measurements, or `system_stats`, which JSON and Packed messages become. */
export class LiveHost {
  readonly name: string
  /** That of the series that it was made of. */
  readonly version: number
  /**
   * Whether a series says that the host itself is watched. A machine that only runs a server or an API sends their own
   * metrics alone, and would be an empty line in a list of hosts.
   */
  readonly watched: boolean

  readonly #table: LiveTable
  /** What its agent or another publisher sends of it. What the programs say of themselves is no sign that it is watched now. */
  readonly #sources: LiveSeries[] = []
  /** The series of each figure, in the order in which they came: a source whose tags change makes another one. */
  readonly #cpu: LiveSeries[] = []
  readonly #mem: LiveSeries[] = []
  readonly #system: LiveSeries[] = []
  readonly #agents: LiveSeries[] = []
  readonly #systemStats: LiveSeries[] = []
  #conflict: LiveSeries | undefined

  constructor({ host, series, version }: HostSeries, table: LiveTable) {
    this.name = host
    this.version = version
    this.#table = table
    let watched = false
    for (const live of series) watched = this.#adopt(live) || watched
    this.watched = watched
  }

  /** @returns whether the series says that the host itself is watched */
  #adopt(live: LiveSeries): boolean {
    const { series } = live
    switch (series.measurement) {
      case OWN_MEASUREMENT:
        if (series.tag('role') !== 'agent') return false
        this.#agents.push(live)
        break
      case 'cpu':
        if (series.tag('cpu') === 'cpu-total') this.#cpu.push(live)
        break
      case 'mem':
        this.#mem.push(live)
        break
      case 'system':
        this.#system.push(live)
        break
      case 'system_stats':
        this.#systemStats.push(live)
        break
      case 'sentinel_conflict':
        this.#conflict = live
        return false
    }
    if (!isOfPrograms(series.measurement)) this.#sources.push(live)
    return true
  }

  /** Whether everything that is measured of it has been silent for too long. */
  get stale(): boolean {
    return this.#sources.every((live) => this.#table.isStale(live))
  }

  /** How long ago the newest sample of it arrived, ms. A host of which only an agent's own metrics came is as old as these. */
  get ageMs(): number {
    const newest = newestOf(this.#sources) ?? newestOf(this.#agents)
    return newest === undefined ? Infinity : this.#table.ageMs(newest)
  }

  /** How far its clock is ahead of the server's, ms; negative where it is behind, null where that is unknown. */
  get clockOffsetMs(): number | null {
    const { aheadUs = Number.NaN } = newestOf(this.#sources) ?? {}
    return Number.isNaN(aheadUs) ? null : Math.round(aheadUs / 1000)
  }

  get cpuPercent(): number | null {
    const idle = numberOf(this.#fresh(this.#cpu), 'usage_idle')
    return idle === null ? numberOf(this.#fresh(this.#systemStats), 'cpu') : Math.min(100, Math.max(0, 100 - idle))
  }

  /** A value that no longer comes is null. What does not change, such as the name of the system, stays. */
  figures(): HostFigures {
    const system = this.#fresh(this.#system)
    const agent = newestOf(this.#agents)
    return {
      cpuPercent: this.cpuPercent,
      memPercent: numberOf(this.#fresh(this.#mem), 'used_percent') ?? numberOf(this.#fresh(this.#systemStats), 'mem'),
      load1: numberOf(system, 'load1'),
      cores: numberOf(system ?? newestOf(this.#system), 'n_cpus'),
      uptimeSeconds: numberOf(system, 'uptime'),
      os: textOf(agent, 'os'),
      agentVersion: textOf(agent, 'version'),
      // An empty text says that it is over.
      conflict: textOf(this.#conflict, 'text') || null,
    }
  }

  /** The series that gives a figure: the latest of those that still come. */
  #fresh(series: readonly LiveSeries[]): LiveSeries | undefined {
    return series.findLast((live) => !this.#table.isStale(live))
  }
}

/** The series that arrived last. Another process of the host, or one before with another data folder, may have sent one too. */
function newestOf(series: readonly LiveSeries[]): LiveSeries | undefined {
  return series.reduce<LiveSeries | undefined>(
    (newest, live) => (live.arrivedMs >= (newest?.arrivedMs ?? -Infinity) ? live : newest),
    undefined,
  )
}
