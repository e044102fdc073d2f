import { countText } from '../../internal/text/count.ts'
import { ageText, millisecondsText } from '../../internal/text/duration.ts'
import { UNKNOWN } from '../../internal/text/figure.ts'
import type { PipelineSummary } from '../../internal/view/pipeline/figures.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'
import { refusalIn, type StreamState } from '../shared/stream.ts'
import { countdownText } from '../shared/times.ts'

/** A summary comes every second. It is out of date when the newest report of a server came ten seconds ago. */
const FRESH_MS = 10_000

const OUTCOMES = ['lost', 'dropped', 'rejected', 'held'] as const
const LATENCIES = [
  ['e2e-p50-us', 'e2eP50Us'],
  ['e2e-p99-us', 'e2eP99Us'],
  ['durable-p50-us', 'durableP50Us'],
  ['durable-p99-us', 'durableP99Us'],
] as const

/** `3`, `≤ 12` where an earlier server may have had some, `≥ 3` or `–` when the loss is unknown; and the same as a sentence. */
export function lostText({ lost, lostAtMost, lostKnown }: PipelineSummary): { short: string; sentence: string } {
  const certain = `${countText(lost)} never arrived`
  const open = lostAtMost > 0 ? `, and at most ${countText(lostAtMost)} more, unless an earlier server had them` : ''
  if (!lostKnown) {
    const sentence = `${certain}${open}; what else was lost is unknown: see sentinel doctor`
    return { short: lost === 0 ? UNKNOWN : `≥ ${countText(lost)}`, sentence }
  }
  return {
    short: lostAtMost > 0 ? `≤ ${countText(lost + lostAtMost)}` : countText(lost),
    sentence: `${certain}${open}`,
  }
}

type Trouble = keyof typeof BEGAN | undefined

/** What is announced when a trouble begins, and when it is over. */
const BEGAN = {
  away: 'The store takes no samples.',
  behind: 'A server is behind: it takes less than comes.',
} as const
const OVER = { away: 'The store takes samples again.', behind: 'All servers keep up again.' } as const

function troubleOf({ storeAwayMs, serversBehind }: PipelineSummary): Trouble {
  if (storeAwayMs !== null) return 'away'
  return serversBehind > 0 ? 'behind' : undefined
}

/** `store away for 2 min, 12,300 samples on disk`; empty while the servers and their store take all samples. */
export function troubleText(summary: PipelineSummary): string {
  const { storeAwayMs, servers, serversBehind, onDisk, held } = summary
  const waiting = onDisk > 0 ? `${countText(onDisk)} samples on disk` : `${countText(held)} samples held`
  if (storeAwayMs !== null) return `store away for ${ageText(storeAwayMs)}, ${waiting}`
  if (serversBehind > 0)
    return `${servers === 1 ? 'server' : `${serversBehind} of ${servers} servers`} behind, ${waiting}`
  return onDisk > 0 ? `catching up, ${waiting}` : ''
}

/** From broker to store: `memory → duckdb`. */
function routeText({ broker, store }: PipelineSummary): string {
  return `${broker ?? UNKNOWN} → ${store ?? UNKNOWN}`
}

/** The strip at the foot of the page: the throughput of the pipeline, its latencies, and what became of the samples. */
export class PipelineStrip {
  readonly #root = byId('pipeline')
  #newest: PipelineSummary | null = null
  #trouble: Trouble
  /** Of the stream that brings the summaries. */
  stream: StreamState = 'connecting'

  take(summary: PipelineSummary): void {
    this.#newest = summary
  }

  /** The time of the newest report of a server, ms by the clock of the server; 0 before the first. */
  get #seenAtMs(): number {
    return (this.#newest?.seenAt ?? 0) / 1000
  }

  draw(nowMs: number): void {
    const isFresh = this.#newest !== null && this.#newest.servers > 0 && nowMs - this.#seenAtMs < FRESH_MS
    const summary = isFresh ? this.#newest : null
    setAttribute(this.#root, 'data-state', summary === null ? 'silent' : 'live')
    this.#drawNote(summary, nowMs)
    setText(byId('rate'), summary === null ? UNKNOWN : countText(summary.samplesPerSecond))
    for (const [id, name] of LATENCIES) setText(byId(id), millisecondsText(summary?.[name] ?? null))
    this.#drawOutcomes(summary)
  }

  #drawNote(summary: PipelineSummary | null, nowMs: number): void {
    const note = byId('pipeline-note')
    const trouble = summary === null ? undefined : troubleOf(summary)
    setText(note, summary === null ? this.#silenceText(nowMs) : troubleText(summary) || routeText(summary))
    setAttribute(note, 'data-level', trouble === undefined ? 'ok' : 'warning')
    const before = this.#trouble
    if (summary === null || trouble === before) return
    this.#trouble = trouble
    if (trouble !== undefined) setText(byId('announcement'), BEGAN[trouble])
    else if (before !== undefined) setText(byId('announcement'), OVER[before])
  }

  #drawOutcomes(summary: PipelineSummary | null): void {
    for (const name of OUTCOMES) {
      const field = byId(`outcome-${name}`)
      const count = summary?.[name] ?? 0
      setText(field, summary === null ? UNKNOWN : countText(count))
      setAttribute(field, 'data-level', count > 0 && name !== 'held' ? 'warning' : 'ok')
    }
    if (summary === null) return
    const lost = lostText(summary)
    this.#explain('lost', lost.sentence)
    setText(byId('outcome-lost'), lost.short)
    const { held, rejected } = summary
    this.#explain('held', `${countText(held - summary.onDisk)} in memory, ${countText(summary.onDisk)} on disk`)
    const letters = summary.deadLetters === null ? '' : `; dead letters: ${countText(summary.deadLetters)}`
    this.#explain('rejected', `${countText(rejected)} samples can never be stored${letters}`)
  }

  /** Explains a number in its tooltip. */
  #explain(name: (typeof OUTCOMES)[number], sentence: string): void {
    setAttribute(byId(`outcome-${name}`).parentElement!, 'title', sentence)
  }

  #silenceText(nowMs: number): string {
    const refusal = refusalIn(this.stream)
    if (refusal !== undefined)
      return `too many requests: the server is asked again in ${countdownText(refusal.againAtMs - performance.now())}`
    if (this.#seenAtMs === 0) return 'waiting for the metrics of a server'
    return `no metrics of a server for ${ageText(nowMs - this.#seenAtMs)}`
  }
}
