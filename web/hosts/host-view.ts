import { countOf } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import { Card } from '../charts/card.ts'
import type { FeedData } from '../charts/feed-data.ts'
import { once } from '../charts/once.ts'
import type { Host } from '../shared/api.ts'
import { noticedOffset } from '../shared/clock.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'
import type { TimeWindow } from '../shared/period.ts'
import type { Palette } from '../shared/theme.ts'
import { seenText, spanText } from '../shared/times.ts'

/** The chosen host: its header and its charts. */
export class HostView {
  readonly #cards: Card[]
  readonly #view = byId('view')

  constructor(data: FeedData, options: { palette: Palette; zoom: (window: TimeWindow) => void; back: () => void }) {
    const events = { zoom: once(options.zoom), zoomBack: options.back }
    this.#cards = data.panels.map((panel) => new Card(panel, options.palette, events))
    byId('cards').replaceChildren(...this.#cards.map((card) => card.root))
    byId('zoom-back').addEventListener('click', options.back)
  }

  /** Shows the data of another host. */
  show(host: string, data: FeedData): void {
    this.#cards.forEach((card, index) => {
      card.use(data.panels[index]!)
    })
    setText(byId('host-name'), host)
    document.title = `${host} · SentinelStream`
  }

  /** The width of the narrowest plot, CSS pixels. More buckets than that are not worth asking for. */
  get plotWidth(): number {
    return Math.min(...this.#cards.map((card) => card.plotWidth))
  }

  /** Writes the line under the name. `seenAtMs` and `nowMs` are both by the server's clock. */
  writeHeader(host: Host | undefined, seenAtMs: number, nowMs: number): void {
    setText(byId('host-facts'), host === undefined ? '' : factsOf(host).join(' · '))
    const seen = byId('host-seen')
    setText(seen, seenAtMs === 0 ? '' : seenText(nowMs - seenAtMs, host?.stale ?? false))
    setAttribute(this.#view, 'data-stale', String(host?.stale ?? false))
  }

  /** Says which window of the past the charts show; null when they are live. */
  writePeriod(past: TimeWindow | null): void {
    byId('zoom').hidden = past === null
    if (past !== null) setText(byId('zoom-span'), spanText(past.fromMs, past.toMs))
  }

  drawNumbers(live: boolean): void {
    for (const card of this.#cards) card.drawNumbers(live)
  }

  drawCharts(window: TimeWindow, nowMs: number): void {
    for (const card of this.#cards) card.drawChart(window, nowMs)
  }

  /** Whether a chart that was drawn empty has values now. */
  get hasFirstValues(): boolean {
    return this.#cards.some((card) => card.hasFirstValues)
  }

  redraw(): void {
    for (const card of this.#cards) card.redraw()
  }
}

function factsOf(host: Host): string[] {
  const facts: string[] = []
  const offsetMs = noticedOffset(host.clockOffsetMs)
  if (offsetMs !== 0) facts.push(`its clock is ${ageText(Math.abs(offsetMs))} ${offsetMs > 0 ? 'ahead' : 'behind'}`)
  if (host.uptimeSeconds !== null) facts.push(`up ${ageText(Math.max(host.uptimeSeconds * 1000, 10_000))}`)
  if (host.cores !== null) facts.push(countOf(host.cores, 'core'))
  if (host.os !== null) facts.push(host.os.replace('GNU/Linux ', ''))
  if (host.agentVersion !== null) facts.push(`agent ${host.agentVersion}`)
  // The line may break between facts, but not within one.
  const unbroken = facts.map((fact) => fact.replaceAll(' ', '\u00a0'))
  return host.conflict === null ? unbroken : [...unbroken, host.conflict]
}
