import { Card } from '../charts/card.ts'
import type { Window } from '../charts/chart.ts'
import type { Host } from '../shared/api.ts'
import { byId, element, setAttribute, setText } from '../shared/dom.ts'
import type { Palette } from '../shared/theme.ts'
import { formatAge, formatSpan } from '../shared/units.ts'
import { HostData } from './host-data.ts'

/** Something that stands in the place of the charts when there is nothing to draw: what is so, why, and what can be done. */
export interface Notice {
  readonly kind: 'waiting' | 'locked' | 'away' | 'unknown' | 'empty'
  readonly title: string
  readonly text: string
  readonly actions?: readonly { readonly label: string; readonly act: () => void }[]
}

/** The chosen host: its header, its charts, or a notice in their place. */
export class HostView {
  readonly #cards: Card[]
  readonly #view = byId('view')
  readonly #notice = byId('notice')
  #noticeKey = ''
  #zooming = false
  data = new HostData()

  constructor(options: { palette: Palette; zoom: (window: Window) => void; back: () => void }) {
    const events = { zoom: (window: Window) => this.#zoomOnce(window, options.zoom), zoomBack: options.back }
    this.#cards = this.data.panels.map((panel) => new Card(panel, options.palette, events))
    byId('cards').replaceChildren(...this.#cards.map((card) => card.root))
    byId('zoom-back').addEventListener('click', options.back)
  }

  /** Begins anew for another host. */
  show(host: string): void {
    this.data = new HostData()
    this.#cards.forEach((card, index) => {
      card.use(this.data.panels[index]!)
    })
    setText(byId('host-name'), host)
    document.title = `${host} · SentinelStream`
  }

  /** All charts tell of the same drag, the one under the pointer first; the others would zoom into what is zoomed already. */
  #zoomOnce(window: Window, zoom: (window: Window) => void): void {
    if (this.#zooming) return
    this.#zooming = true
    queueMicrotask(() => {
      this.#zooming = false
      zoom(window)
    })
  }

  /** The width of the narrowest plot, CSS pixels: as many buckets as are worth asking for. */
  get plotWidth(): number {
    return Math.min(...this.#cards.map((card) => card.plotWidth))
  }

  /** Writes the line under the name. `seenAtMs` and `nowMs` are both by the server's clock. */
  writeHeader(host: Host | undefined, seenAtMs: number, nowMs: number): void {
    setText(byId('host-facts'), host === undefined ? '' : factsOf(host).join(' · '))
    const seen = byId('host-seen')
    setText(seen, seenAtMs === 0 ? '' : `${host?.stale ? 'stale, ' : ''}seen ${formatAge(nowMs - seenAtMs)} ago`)
    setAttribute(this.#view, 'data-stale', String(host?.stale ?? false))
  }

  /** Says which piece of the past is shown; null when the charts are live. */
  writePeriod(past: Window | null): void {
    byId('zoom').hidden = past === null
    if (past !== null) setText(byId('zoom-span'), formatSpan(past.fromMs, past.toMs))
  }

  drawNumbers(live: boolean): void {
    for (const card of this.#cards) card.drawNumbers(live)
  }

  drawCharts(window: Window, nowMs: number): void {
    for (const card of this.#cards) card.drawChart(window, nowMs)
  }

  redraw(): void {
    for (const card of this.#cards) card.redraw()
  }

  /** Puts a notice in the place of the charts; null takes it away. */
  notice(notice: Notice | null): void {
    const key = notice === null ? '' : `${notice.kind} ${notice.title} ${notice.text}`
    if (key === this.#noticeKey) return
    this.#noticeKey = key
    setAttribute(this.#view, 'data-notice', notice?.kind ?? 'none')
    this.#notice.hidden = notice === null
    if (notice === null) return
    const buttons = (notice.actions ?? []).map(({ label, act }) => {
      const button = element('button', { type: 'button', class: 'button', text: label })
      button.addEventListener('click', act)
      return button
    })
    this.#notice.replaceChildren(
      element('span', { class: 'pulse', 'aria-hidden': 'true' }),
      element('h2', { text: notice.title }),
      element('p', { text: notice.text }),
      element('div', { class: 'actions' }, ...buttons),
    )
  }
}

function factsOf(host: Host): string[] {
  const facts: string[] = []
  if (host.uptimeSeconds !== null) facts.push(`up ${formatAge(Math.max(host.uptimeSeconds * 1000, 10_000))}`)
  if (host.cores !== null) facts.push(`${host.cores} ${host.cores === 1 ? 'core' : 'cores'}`)
  if (host.os !== null) facts.push(host.os.replace('GNU/Linux ', ''))
  if (host.agentVersion !== null) facts.push(`agent ${host.agentVersion}`)
  // A line may break between facts, not within one.
  return facts.map((fact) => fact.replaceAll(' ', '\u00a0'))
}
