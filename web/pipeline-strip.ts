import type { LiveSample } from './api.ts'
import { byId, setAttribute, setText } from './dom.ts'
import { formatAge, formatCount, formatLatency, UNKNOWN } from './units.ts'

/** The roles say their figures every second: after ten without any they are not what is now. */
const FRESH_MS = 10_000
const MOST_ROLES = 10_000

const OUTCOMES = ['lost', 'dropped', 'rejected', 'held'] as const
const LATENCIES = ['e2e_p50_us', 'e2e_p99_us', 'durable_p50_us', 'durable_p99_us'] as const

/** What the whole pipeline says of itself, summed over servers and agents; latencies are those of the slowest server. */
export interface PipelineFigures {
  readonly samplesPerSecond: number
  readonly latencies: Readonly<Record<(typeof LATENCIES)[number], number | null>>
  readonly outcomes: Readonly<Record<(typeof OUTCOMES)[number], number>>
  readonly lostKnown: boolean
  readonly way: string
}

const numberOf = (value: number | string | boolean | undefined) => (value === undefined ? null : Number(value))

/** Null while no server said anything within the last ten seconds. */
export function figuresOf(roles: readonly LiveSample[], nowMs: number): PipelineFigures | null {
  const fresh = roles.filter(({ at }) => nowMs - at / 1000 < FRESH_MS)
  const servers = fresh.filter(({ tags }) => tags.role === 'server')
  if (servers.length === 0) return null
  const sum = (name: string) => fresh.reduce((total, { fields }) => total + (numberOf(fields[name]) ?? 0), 0)
  const slowest = (name: string) =>
    servers.reduce<number | null>((most, { fields }) => {
      const value = numberOf(fields[name])
      return value === null ? most : Math.max(most ?? 0, value)
    }, null)
  return {
    samplesPerSecond: sum('samples_per_second'),
    latencies: Object.fromEntries(LATENCIES.map((name) => [name, slowest(name)])) as PipelineFigures['latencies'],
    outcomes: Object.fromEntries(OUTCOMES.map((name) => [name, sum(name)])) as PipelineFigures['outcomes'],
    lostKnown: servers.every(({ fields }) => fields.lost_known !== false),
    way: `${servers[0]!.fields.broker ?? UNKNOWN} → ${servers[0]!.fields.store ?? UNKNOWN}`,
  }
}

/** The strip at the foot of the page: what the pipeline does now, how late it is, and what became of the samples. */
export class PipelineStrip {
  readonly #root = byId('pipeline')
  readonly #roles = new Map<string, LiveSample>()
  #newestAtMs = 0

  take(samples: readonly LiveSample[]): void {
    for (const sample of samples) {
      const key = JSON.stringify(Object.entries(sample.tags).sort())
      if (!this.#roles.has(key) && this.#roles.size >= MOST_ROLES) continue
      this.#roles.set(key, sample)
      if (sample.tags.role === 'server') this.#newestAtMs = Math.max(this.#newestAtMs, sample.at / 1000)
    }
  }

  draw(nowMs: number): void {
    const figures = figuresOf([...this.#roles.values()], nowMs)
    setAttribute(this.#root, 'data-state', figures === null ? 'silent' : 'live')
    setText(byId('pipeline-note'), figures?.way ?? this.#silence(nowMs))
    setText(byId('rate'), figures === null ? UNKNOWN : formatCount(figures.samplesPerSecond))
    for (const name of LATENCIES) {
      setText(byId(name.replaceAll('_', '-')), formatLatency(figures?.latencies[name] ?? null))
    }
    for (const name of OUTCOMES) {
      const known = figures !== null && (name !== 'lost' || figures.lostKnown)
      const count = figures?.outcomes[name] ?? 0
      const field = byId(`outcome-${name}`)
      setText(field, known ? formatCount(count) : UNKNOWN)
      setAttribute(field, 'data-level', known && count > 0 && name !== 'held' ? 'warning' : 'ok')
    }
  }

  #silence(nowMs: number): string {
    if (this.#newestAtMs === 0) return 'waiting for the server’s figures'
    return `no figures from the server for ${formatAge(nowMs - this.#newestAtMs)}`
  }
}
