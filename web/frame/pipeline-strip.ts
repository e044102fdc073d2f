import { countText } from '../../internal/text/count.ts'
import { ageText, millisecondsText } from '../../internal/text/duration.ts'
import { UNKNOWN } from '../../internal/text/figure.ts'
import type { LiveSample } from '../shared/api.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'

/** A server sends its own metrics every second. They are out of date when the newest came ten seconds ago. */
const FRESH_MS = 10_000
const MAX_PROGRAMS = 10_000

const OUTCOMES = ['lost', 'dropped', 'rejected', 'held'] as const
const LATENCIES = ['e2e_p50_us', 'e2e_p99_us', 'durable_p50_us', 'durable_p99_us'] as const

/** The own metrics of all servers and agents together: sums, and the latencies of the slowest server. */
export interface PipelineSummary {
  readonly samplesPerSecond: number
  readonly latencies: Readonly<Record<(typeof LATENCIES)[number], number | null>>
  readonly outcomes: Readonly<Record<(typeof OUTCOMES)[number], number>>
  /** The held samples that are on disk. */
  readonly onDisk: number
  /** Null when no server reports how many it has written: older ones do not. */
  readonly deadLetters: number | null
  /** Samples that may be lost, beside those that certainly are. */
  readonly lostAtMost: number
  /** False when nothing tells how much was lost: messages without a number came, or what Redis kept has vanished. */
  readonly lostKnown: boolean
  /** How long a store has been away, the longest of all servers; null while every store takes samples. */
  readonly storeAwayMs: number | null
  /** From broker to store: `memory → duckdb`. */
  readonly route: string
}

const numberOf = (value: number | string | boolean | undefined) => (value === undefined ? null : Number(value))

/** When a sample arrived, by the clock of the server, ms: that of another machine may be wrong. */
const arrivedMs = ({ arrivedAt, at }: LiveSample) => (arrivedAt ?? at) / 1000

/** @returns null when no server has sent its own metrics within the last ten seconds */
export function summaryOf(programs: readonly LiveSample[], nowMs: number): PipelineSummary | null {
  const fresh = programs.filter(({ stale }) => stale !== true)
  const servers = fresh.filter((program) => program.tags.role === 'server' && nowMs - arrivedMs(program) < FRESH_MS)
  if (servers.length === 0) return null
  const sum = (name: string) => fresh.reduce((total, { fields }) => total + (numberOf(fields[name]) ?? 0), 0)
  const largest = (name: string) =>
    servers.reduce<number | null>((most, { fields }) => {
      const value = numberOf(fields[name])
      return value === null ? most : Math.max(most ?? 0, value)
    }, null)
  return {
    samplesPerSecond: sum('samples_per_second'),
    latencies: Object.fromEntries(LATENCIES.map((name) => [name, largest(name)])) as PipelineSummary['latencies'],
    outcomes: Object.fromEntries(OUTCOMES.map((name) => [name, sum(name)])) as PipelineSummary['outcomes'],
    onDisk: sum('spooled'),
    deadLetters: largest('dead_letters') === null ? null : sum('dead_letters'),
    lostAtMost: sum('lost_at_most'),
    lostKnown: servers.every(({ fields }) => fields.lost_known !== false),
    storeAwayMs: servers.some(({ fields }) => fields.store_ready === false)
      ? (largest('store_away_seconds') ?? 0) * 1000
      : null,
    route: `${servers[0]!.fields.broker ?? UNKNOWN} → ${servers[0]!.fields.store ?? UNKNOWN}`,
  }
}

/** `3`, `≤ 12` after a server was killed, `≥ 3` or `–` when the loss is unknown; and the same as a sentence. */
export function lostText({ outcomes, lostAtMost, lostKnown }: PipelineSummary): { short: string; sentence: string } {
  const { lost } = outcomes
  const certain = `${countText(lost)} never arrived`
  const open = lostAtMost > 0 ? `, and at most ${countText(lostAtMost)} more, because a server was killed` : ''
  if (!lostKnown) {
    const sentence = `${certain}${open}; what else was lost is unknown: see sentinel doctor`
    return { short: lost === 0 ? UNKNOWN : `≥ ${countText(lost)}`, sentence }
  }
  return {
    short: lostAtMost > 0 ? `≤ ${countText(lost + lostAtMost)}` : countText(lost),
    sentence: `${certain}${open}`,
  }
}

/** `store away for 2 min, 12,300 samples on disk`; empty while the store takes all samples. */
export function storeText({ storeAwayMs, onDisk, outcomes }: PipelineSummary): string {
  const waiting = onDisk > 0 ? `${countText(onDisk)} samples on disk` : `${countText(outcomes.held)} samples held`
  if (storeAwayMs !== null) return `store away for ${ageText(storeAwayMs)}, ${waiting}`
  return onDisk > 0 ? `catching up, ${waiting}` : ''
}

/** The strip at the foot of the page: the throughput of the pipeline, its latencies, and what became of the samples. */
export class PipelineStrip {
  readonly #root = byId('pipeline')
  readonly #programs = new Map<string, LiveSample>()
  #newestAtMs = 0
  #storeWasAway = false

  take(samples: readonly LiveSample[]): void {
    for (const sample of samples) {
      const key = JSON.stringify(Object.entries(sample.tags).sort())
      if (!this.#programs.has(key) && this.#programs.size >= MAX_PROGRAMS) continue
      this.#programs.set(key, sample)
      if (sample.tags.role === 'server') this.#newestAtMs = Math.max(this.#newestAtMs, arrivedMs(sample))
    }
  }

  draw(nowMs: number): void {
    const summary = summaryOf([...this.#programs.values()], nowMs)
    setAttribute(this.#root, 'data-state', summary === null ? 'silent' : 'live')
    this.#drawNote(summary, nowMs)
    setText(byId('rate'), summary === null ? UNKNOWN : countText(summary.samplesPerSecond))
    for (const name of LATENCIES) {
      setText(byId(name.replaceAll('_', '-')), millisecondsText(summary?.latencies[name] ?? null))
    }
    this.#drawOutcomes(summary)
  }

  #drawNote(summary: PipelineSummary | null, nowMs: number): void {
    const note = byId('pipeline-note')
    const isAway = summary !== null && summary.storeAwayMs !== null
    setText(note, summary === null ? this.#silenceText(nowMs) : storeText(summary) || summary.route)
    setAttribute(note, 'data-level', isAway ? 'warning' : 'ok')
    if (isAway !== this.#storeWasAway && summary !== null) {
      this.#storeWasAway = isAway
      setText(byId('announcement'), isAway ? 'The store takes no samples.' : 'The store takes samples again.')
    }
  }

  #drawOutcomes(summary: PipelineSummary | null): void {
    for (const name of OUTCOMES) {
      const field = byId(`outcome-${name}`)
      const count = summary?.outcomes[name] ?? 0
      setText(field, summary === null ? UNKNOWN : countText(count))
      setAttribute(field, 'data-level', count > 0 && name !== 'held' ? 'warning' : 'ok')
    }
    if (summary === null) return
    const lost = lostText(summary)
    this.#explain('lost', lost.sentence)
    setText(byId('outcome-lost'), lost.short)
    const { held, rejected } = summary.outcomes
    this.#explain('held', `${countText(held - summary.onDisk)} in memory, ${countText(summary.onDisk)} on disk`)
    const letters = summary.deadLetters === null ? '' : `; dead letters: ${countText(summary.deadLetters)}`
    this.#explain('rejected', `${countText(rejected)} samples can never be stored${letters}`)
  }

  /** Explains a number in its tooltip. */
  #explain(name: (typeof OUTCOMES)[number], sentence: string): void {
    setAttribute(byId(`outcome-${name}`).parentElement!, 'title', sentence)
  }

  #silenceText(nowMs: number): string {
    if (this.#newestAtMs === 0) return 'waiting for the metrics of a server'
    return `no metrics of a server for ${ageText(nowMs - this.#newestAtMs)}`
  }
}
