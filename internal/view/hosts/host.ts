import type { Series } from '../../sample/series.ts'
import type { HostFigures } from './figures.ts'

/** A host and its series: Telegraf's measurements, or `system_stats`, which JSON and Packed messages become. */
export class LiveHost {
  readonly name: string
  /** Time of its newest sample, µs. */
  lastSeenAt = 0
  /**
   * Whether a series says that the host itself is watched. A machine that only runs a server or an API sends their own
   * metrics alone, and would be an empty line in a list of hosts.
   */
  watched = false

  #cpu: Series | undefined
  #mem: Series | undefined
  #system: Series | undefined
  #agent: Series | undefined
  #systemStats: Series | undefined
  #conflict: Series | undefined

  constructor(name: string) {
    this.name = name
  }

  /** Called once for each series with this host's tag. */
  adopt(series: Series): void {
    switch (series.measurement) {
      case 'cpu':
        if (series.tag('cpu') === 'cpu-total') this.#cpu = series
        break
      case 'mem':
        this.#mem = series
        break
      case 'system':
        this.#system = series
        break
      case 'system_stats':
        this.#systemStats = series
        break
      case 'sentinel_pipeline':
        if (series.tag('role') !== 'agent') return
        // Another process of the host, or an older version, may have sent one too.
        if (series.latestAt >= (this.#agent?.latestAt ?? 0)) this.#agent = series
        break
      case 'sentinel_conflict':
        this.#conflict = series
        return
    }
    this.watched = true
  }

  figures(): HostFigures {
    const idle = number(this.#cpu, 'usage_idle')
    return {
      cpuPercent: idle === null ? number(this.#systemStats, 'cpu') : Math.min(100, Math.max(0, 100 - idle)),
      memPercent: number(this.#mem, 'used_percent') ?? number(this.#systemStats, 'mem'),
      load1: number(this.#system, 'load1'),
      cores: number(this.#system, 'n_cpus'),
      uptimeSeconds: number(this.#system, 'uptime'),
      os: text(this.#agent, 'os'),
      agentVersion: text(this.#agent, 'version'),
      // An empty text says that it is over.
      conflict: text(this.#conflict, 'text') || null,
    }
  }
}

function number(series: Series | undefined, field: string): number | null {
  const value = series?.latest[series.indexOf(field)]
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null
}

function text(series: Series | undefined, field: string): string | null {
  const value = series?.latest[series.indexOf(field)]
  return typeof value === 'string' ? value : null
}
