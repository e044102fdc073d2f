import type { LiveSeries } from '../../live/live-series.ts'
import type { LiveTable } from '../../live/live-table.ts'
import type { Summary } from '../../live/summary-client.ts'
import { OWN_MEASUREMENT } from '../../sample/of-programs.ts'
import { fieldOf, numberOf, textOf } from '../values.ts'
import type { PipelineSummary } from './figures.ts'

/** A server sends its own metrics every second. It does not report when the newest came ten seconds ago, ms. */
const FRESH_MS = 10_000
/** The programs report once a second, so a summary serves for as long, ms. */
const SHARED_MS = 1_000

/**
 * What the programs say of themselves, summed up. Each of 10,000 agents reports once a second: to add that up here takes
 * milliseconds, where a page that did it would get 7 MB a second.
 */
export class PipelineView implements Summary {
  readonly #table: LiveTable
  readonly #monotonicMs: () => number
  #programs: readonly LiveSeries[] = []
  #programsVersion = -1
  #made: { readonly atMs: number; readonly summary: PipelineSummary; readonly event: Buffer } | undefined

  /** @param monotonicMs monotonic time, ms */
  constructor(table: LiveTable, monotonicMs: () => number = () => performance.now()) {
    this.#table = table
    this.#monotonicMs = monotonicMs
  }

  get summary(): PipelineSummary {
    return this.#newest().summary
  }

  event(): Buffer {
    return this.#newest().event
  }

  #newest(): { readonly summary: PipelineSummary; readonly event: Buffer } {
    const nowMs = this.#monotonicMs()
    if (this.#made !== undefined && nowMs - this.#made.atMs < SHARED_MS) return this.#made
    const summary = this.#summaryNow()
    const event = Buffer.from(`event: pipeline\ndata: ${JSON.stringify(summary)}\n\n`)
    this.#made = { atMs: nowMs, summary, event }
    return this.#made
  }

  #summaryNow(): PipelineSummary {
    const known = this.#knownPrograms()
    const programs = known.filter((live) => !this.#table.isStale(live))
    const allServers = known.filter(isServer)
    const servers = allServers.filter((live) => !this.#table.isStale(live) && this.#table.ageMs(live) < FRESH_MS)
    const sum = (field: string) => programs.reduce((total, live) => total + (numberOf(live, field) ?? 0), 0)
    const largest = (field: string) =>
      servers.reduce<number | null>((most, live) => larger(most, numberOf(live, field)), null)
    const isAway = servers.some((live) => fieldOf(live, 'store_ready') === false)
    return {
      programs: programs.length,
      servers: servers.length,
      seenAt: allServers.reduce<number | null>((newest, live) => larger(newest, live.arrivedAt), null),
      samplesPerSecond: sum('samples_per_second'),
      e2eP50Us: largest('e2e_p50_us'),
      e2eP99Us: largest('e2e_p99_us'),
      durableP50Us: largest('durable_p50_us'),
      durableP99Us: largest('durable_p99_us'),
      lost: sum('lost'),
      dropped: sum('dropped'),
      rejected: sum('rejected'),
      held: sum('held'),
      onDisk: sum('spooled'),
      deadLetters: largest('dead_letters') === null ? null : sum('dead_letters'),
      lostAtMost: sum('lost_at_most'),
      lostKnown: servers.every((live) => fieldOf(live, 'lost_known') !== false),
      storeAwayMs: isAway ? (largest('store_away_seconds') ?? 0) * 1000 : null,
      serversBehind: servers.filter((live) => fieldOf(live, 'behind') === true).length,
      broker: textOf(servers[0], 'broker'),
      store: textOf(servers[0], 'store'),
    }
  }

  #knownPrograms(): readonly LiveSeries[] {
    const { version } = this.#table.byHost
    if (this.#programsVersion !== version) {
      this.#programsVersion = version
      this.#programs = [...this.#table.byHost.all()].flatMap(({ series }) => [...series].filter(isProgram))
    }
    return this.#programs
  }
}

const isProgram = ({ series }: LiveSeries): boolean => series.measurement === OWN_MEASUREMENT
const isServer = ({ series }: LiveSeries): boolean => series.tag('role') === 'server'

function larger(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
