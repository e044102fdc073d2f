import { countText } from '../../internal/text/count.ts'
import { ageText, millisecondsText } from '../../internal/text/duration.ts'
import { UNKNOWN } from '../../internal/text/figure.ts'
import type { LiveSample } from '../shared/api.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'

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
  /** Those of the held samples that are on disk. */
  readonly onDisk: number
  /** Null where no server says how many it has written. */
  readonly deadLetters: number | null
  /** What may be lost beside what is, for certain. */
  readonly lostAtMost: number
  /** False where messages came without a number: what vanishes of them leaves no trace. */
  readonly lostKnown: boolean
  /** How long a store has taken nothing, the longest where several servers say so; null while all take samples. */
  readonly storeAwayMs: number | null
  readonly way: string
}

const numberOf = (value: number | string | boolean | undefined) => (value === undefined ? null : Number(value))

/** Null while no server said anything within the last ten seconds. */
export function figuresOf(roles: readonly LiveSample[], nowMs: number): PipelineFigures | null {
  const fresh = roles.filter(({ at }) => nowMs - at / 1000 < FRESH_MS)
  const servers = fresh.filter(({ tags }) => tags.role === 'server')
  if (servers.length === 0) return null
  const sum = (name: string) => fresh.reduce((total, { fields }) => total + (numberOf(fields[name]) ?? 0), 0)
  const largest = (name: string) =>
    servers.reduce<number | null>((most, { fields }) => {
      const value = numberOf(fields[name])
      return value === null ? most : Math.max(most ?? 0, value)
    }, null)
  return {
    samplesPerSecond: sum('samples_per_second'),
    latencies: Object.fromEntries(LATENCIES.map((name) => [name, largest(name)])) as PipelineFigures['latencies'],
    outcomes: Object.fromEntries(OUTCOMES.map((name) => [name, sum(name)])) as PipelineFigures['outcomes'],
    onDisk: sum('spooled'),
    deadLetters: largest('dead_letters') === null ? null : sum('dead_letters'),
    lostAtMost: sum('lost_at_most'),
    lostKnown: servers.every(({ fields }) => fields.lost_known !== false),
    storeAwayMs: servers.some(({ fields }) => fields.store_ready === false)
      ? (largest('store_away_seconds') ?? 0) * 1000
      : null,
    way: `${servers[0]!.fields.broker ?? UNKNOWN} → ${servers[0]!.fields.store ?? UNKNOWN}`,
  }
}

/** "3", "≤ 12" where a kill leaves it open, "≥ 3" or unknown where messages have no number; and the same in words. */
export function lostInWords({ outcomes, lostAtMost, lostKnown }: PipelineFigures): { text: string; words: string } {
  const { lost } = outcomes
  const certain = `${countText(lost)} never arrived`
  const open = lostAtMost > 0 ? `, and at most ${countText(lostAtMost)} more: a server was killed` : ''
  if (!lostKnown) {
    const words = `${certain}${open}; of messages without a number nobody knows`
    return { text: lost === 0 ? UNKNOWN : `≥ ${countText(lost)}`, words }
  }
  return {
    text: lostAtMost > 0 ? `≤ ${countText(lost + lostAtMost)}` : countText(lost),
    words: `${certain}${open}`,
  }
}

/** What the store does, where that is worth a word: "store away for 2 min, 12,300 samples on disk". */
export function storeInWords({ storeAwayMs, onDisk, outcomes }: PipelineFigures): string {
  const waiting = onDisk > 0 ? `${countText(onDisk)} samples on disk` : `${countText(outcomes.held)} samples held`
  if (storeAwayMs !== null) return `store away for ${ageText(storeAwayMs)}, ${waiting}`
  return onDisk > 0 ? `catching up, ${waiting}` : ''
}

/** The strip at the foot of the page: what the pipeline does now, how late it is, and what became of the samples. */
export class PipelineStrip {
  readonly #root = byId('pipeline')
  readonly #roles = new Map<string, LiveSample>()
  #newestAtMs = 0
  #storeWasAway = false

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
    this.#drawNote(figures, nowMs)
    setText(byId('rate'), figures === null ? UNKNOWN : countText(figures.samplesPerSecond))
    for (const name of LATENCIES) {
      setText(byId(name.replaceAll('_', '-')), millisecondsText(figures?.latencies[name] ?? null))
    }
    this.#drawOutcomes(figures)
  }

  #drawNote(figures: PipelineFigures | null, nowMs: number): void {
    const note = byId('pipeline-note')
    const isAway = figures !== null && figures.storeAwayMs !== null
    setText(note, figures === null ? this.#silence(nowMs) : storeInWords(figures) || figures.way)
    setAttribute(note, 'data-level', isAway ? 'warning' : 'ok')
    if (isAway !== this.#storeWasAway && figures !== null) {
      this.#storeWasAway = isAway
      setText(byId('announcement'), isAway ? 'The store takes no samples.' : 'The store takes samples again.')
    }
  }

  #drawOutcomes(figures: PipelineFigures | null): void {
    for (const name of OUTCOMES) {
      const field = byId(`outcome-${name}`)
      const count = figures?.outcomes[name] ?? 0
      setText(field, figures === null ? UNKNOWN : countText(count))
      setAttribute(field, 'data-level', count > 0 && name !== 'held' ? 'warning' : 'ok')
    }
    if (figures === null) return
    const lost = lostInWords(figures)
    this.#say('lost', lost.words)
    setText(byId('outcome-lost'), lost.text)
    const { held, rejected } = figures.outcomes
    this.#say('held', `${countText(held - figures.onDisk)} in memory, ${countText(figures.onDisk)} on disk`)
    const letters = figures.deadLetters === null ? '' : `; dead letters: ${countText(figures.deadLetters)}`
    this.#say('rejected', `${countText(rejected)} samples can never be stored${letters}`)
  }

  /** Beside the number, for who rests on it. */
  #say(name: (typeof OUTCOMES)[number], words: string): void {
    setAttribute(byId(`outcome-${name}`).parentElement!, 'title', words)
  }

  #silence(nowMs: number): string {
    if (this.#newestAtMs === 0) return 'waiting for the server’s figures'
    return `no figures from the server for ${ageText(nowMs - this.#newestAtMs)}`
  }
}
