import { countOf } from '../../internal/text/count.ts'
import { Card } from '../charts/card.ts'
import type { FeedData } from '../charts/feed-data.ts'
import { once } from '../charts/once.ts'
import type { Panel } from '../charts/panel.ts'
import { PanelData } from '../charts/panel-data.ts'
import type { ServerClock } from '../shared/clock.ts'
import { byId, element, setText } from '../shared/dom.ts'
import { isLive, lengthOf, type Period, type TimeWindow } from '../shared/period.ts'
import type { StreamRefusal } from '../shared/stream.ts'
import type { Palette } from '../shared/theme.ts'
import { seenText, spanText, timeText } from '../shared/times.ts'
import { type Gpu, nameOf } from './gpu.ts'
import { GpuEvents } from './gpu-events.ts'
import { GpuFeeds, HOST_PANELS } from './gpu-feeds.ts'
import { gpuPanels } from './gpu-panels.ts'
import { PortChooser } from './port-chooser.ts'
import { portName } from './host-ports.ts'
import type { FoundPort } from './port-finder.ts'

// A chart of long buckets changes by less than a pixel a second. It is drawn anew after this time at the latest.
const LONGEST_REDRAW_MS = 10_000
/** The newest that happened are named beside the charts. */
const MOST_NAMED = 6

export interface GpuPageOptions {
  readonly clock: ServerClock
  readonly palette: Palette
  readonly zoom: (window: TimeWindow) => void
  readonly back: () => void
  readonly choosePort: (port: string | null, fabric: string | null) => void
  /** Live samples came. */
  readonly changed: () => void
}

/** What is shown of a GPU. */
export interface ShownGpu {
  readonly gpu: Gpu
  readonly period: Period
  readonly port: string | null
  readonly fabric: string | null
}

/** One GPU: its charts with those of its host and its switch port on one timeline, and what happened to them. */
export class GpuPage {
  readonly #options: GpuPageOptions
  readonly #feeds: GpuFeeds
  readonly #events: GpuEvents
  readonly #chooser: PortChooser
  readonly #ofGpu: readonly Card[]
  readonly #ofHost: readonly Card[]
  readonly #ofPort: readonly Card[]
  #shown: ShownGpu | undefined
  #found: FoundPort | undefined
  #drawnAtMs = -Infinity

  constructor(options: GpuPageOptions) {
    this.#options = options
    this.#feeds = new GpuFeeds({
      ...{ clock: options.clock, plotWidth: () => this.#ofGpu[0]!.plotWidth, changed: options.changed },
      loaded: () => this.#drawCharts(),
    })
    this.#events = new GpuEvents(() => this.#drawCharts())
    this.#chooser = new PortChooser({
      choose: options.choosePort,
      found: (found) => this.#takePort(found),
    })
    const panels = gpuPanels({ ...NO_GPU })
    this.#ofGpu = panels.map((panel, index) => this.#card(panel, index === 0 ? 'above' : 'nowhere'))
    this.#ofHost = HOST_PANELS.map((panel) => this.#card({ ...panel, id: `host-${panel.id}` }, 'nowhere'))
    this.#ofPort = [PORT_PANEL, { ...PORT_PANEL, id: 'port-trouble' }].map((panel) => this.#card(panel, 'nowhere'))
    byId('gpu-charts').replaceChildren(...[...this.#ofGpu, ...this.#ofHost, ...this.#ofPort].map(({ root }) => root))
    byId('gpu-zoom-back').addEventListener('click', options.back)
  }

  /** When the newest sample of the GPU arrived, ms by the clock of the server; 0 before the first. */
  get newestAtMs(): number {
    return this.#feeds.gpu?.newestAtMs ?? 0
  }

  /** Why the API does not give one of the live streams; undefined where it gives them. */
  get refusal(): StreamRefusal | undefined {
    return this.#feeds.refusal
  }

  /** Whether the API knows no GPU of that name. */
  get isUnknown(): boolean {
    return this.#feeds.isUnknown
  }

  /** Shows a GPU, or none. */
  show(shown: ShownGpu | undefined): void {
    const before = this.#shown
    this.#shown = shown
    if (shown === undefined) {
      this.close()
      return
    }
    const { gpu, period } = shown
    const isOther = before?.gpu.key !== gpu.key
    if (isOther) this.#open(gpu)
    if (isOther || !samePeriod(before!.period, period)) {
      this.#feeds.load(period)
      this.#askEvents()
    }
    if (isOther || before?.port !== shown.port || before.fabric !== shown.fabric) this.#chooser.show(gpu.host, shown)
    this.#writePeriod(period)
  }

  close(): void {
    this.#shown = undefined
    this.#found = undefined
    this.#feeds.close()
    this.#events.clear()
    this.#chooser.close()
  }

  draw(): void {
    const shown = this.#shown
    if (shown === undefined) return
    const live = isLive(shown.period)
    for (const [card] of this.#drawn) card.drawNumbers(live)
    this.#writeNotes()
    if (!live) return
    this.#feeds.refreshPort()
    const redrawMs = Math.min(this.#feeds.bucketMs / 4, LONGEST_REDRAW_MS)
    const isDue = performance.now() - this.#drawnAtMs >= redrawMs || this.#drawn.some(([card]) => card.hasFirstValues)
    if (isDue) this.#drawCharts()
    this.#events.follow(shown.gpu, this.#found?.port.id ?? null, this.#window)
  }

  redraw(): void {
    for (const [card] of this.#drawn) card.redraw()
  }

  #card(panel: Panel, times: 'above' | 'nowhere'): Card {
    const { palette, zoom, back } = this.#options
    return new Card(new PanelData(panel), palette, { zoom: once(zoom), zoomBack: back }, { times })
  }

  #open(gpu: Gpu): void {
    this.#found = undefined
    this.#events.clear()
    this.#feeds.followGpu(gpu)
    this.#use(this.#ofGpu, this.#feeds.gpu)
    this.#use(this.#ofHost, this.#feeds.host)
    this.#use(this.#ofPort, undefined)
    for (const card of this.#ofHost) card.about(`of ${gpu.host}`)
  }

  /** A GPU whose exporter knows no host has no charts of one. */
  #use(cards: readonly Card[], data: FeedData | undefined): void {
    cards.forEach((card, index) => {
      const panel = data?.panels[index]
      card.root.hidden = panel === undefined
      if (panel !== undefined) card.use(panel)
    })
  }

  #takePort(found: FoundPort | undefined): void {
    if (this.#shown === undefined) return
    this.#found = found
    this.#feeds.followPort(found)
    this.#use(this.#ofPort, this.#feeds.port)
    if (found !== undefined) for (const card of this.#ofPort) card.about(portName(found.port))
    this.#askEvents()
    this.#options.changed()
  }

  #askEvents(): void {
    if (this.#shown !== undefined) this.#events.show(this.#shown.gpu, this.#found?.port.id ?? null, this.#window)
  }

  /** The cards that are shown, with their data. */
  get #drawn(): (readonly [Card, PanelData])[] {
    const of = (cards: readonly Card[], data: FeedData | undefined) =>
      cards.flatMap((card, index) => {
        const panel = data?.panels[index]
        return panel === undefined ? [] : [[card, panel] as const]
      })
    const { gpu, host, port } = this.#feeds
    return [...of(this.#ofGpu, gpu), ...of(this.#ofHost, host), ...of(this.#ofPort, port)]
  }

  /** One for all charts, by the clock of the server: what happened at one moment stands at one place. */
  get #window(): TimeWindow {
    const { period } = this.#shown!
    if (!isLive(period)) return period
    const toMs = Math.floor(this.#options.clock.now() / 1000) * 1000
    return { fromMs: toMs - lengthOf(period), toMs }
  }

  #drawCharts(): void {
    if (this.#shown === undefined) return
    this.#drawnAtMs = performance.now()
    const { marks } = this.#events
    const hasHost = this.#hasHost
    const ofHost = new Set(this.#ofHost)
    for (const [card, data] of this.#drawn) {
      // What this GPU does not tell takes no room. It comes when it is told.
      card.root.hidden = ofHost.has(card) ? !hasHost : data.isLoaded && data.lines.length === 0
      if (!card.root.hidden) card.drawChart(this.#window, this.#options.clock.now(), marks)
    }
    this.#writeNotes()
    this.#writeEvents()
  }

  /** Whether there are figures of the host, or may still come: an agent on it sends them, and no exporter of GPUs. */
  get #hasHost(): boolean {
    const { host } = this.#feeds
    if (host === undefined) return false
    return !host.isEmpty || host.newestAtMs > 0
  }

  #writeNotes(): void {
    const { gpu } = this.#shown!
    const note = byId('gpu-host-note')
    note.hidden = this.#hasHost
    if (gpu.host === '') setText(note, 'Nothing says on which host this GPU is, so no CPU and memory stand beside it.')
    else setText(note, `No CPU and memory of ${gpu.host} in this time: an agent on that host sends them.`)
  }

  #writePeriod(period: Period): void {
    byId('gpu-zoom').hidden = isLive(period)
    if (!isLive(period)) setText(byId('gpu-zoom-span'), spanText(period.fromMs, period.toMs))
  }

  #writeEvents(): void {
    const { marks, failure } = this.#events
    const named = marks.slice(-MOST_NAMED).reverse()
    const more = marks.length - named.length
    const texts = named.map(({ atMs, text, colour }) => ({ text: `${timeText(atMs)} ${text}`, colour }))
    if (more > 0) texts.push({ text: `and ${countOf(more, 'event')} before`, colour: '' })
    if (failure !== '') texts.push({ text: `What happened cannot be read now: ${failure}`, colour: '' })
    const list = byId('gpu-events')
    list.hidden = texts.length === 0
    if (list.textContent === texts.map(({ text }) => text).join('')) return
    list.replaceChildren(
      ...texts.map(({ text, colour }) => element('li', { 'data-colour': colour }, element('span', { text }))),
    )
  }
}

/** The words under the name of an open GPU. */
export function factsOf(gpu: Gpu, seenAtMs: number, nowMs: number): string {
  const seen = seenAtMs === 0 ? [] : [seenText(nowMs - seenAtMs, gpu.isStale)]
  const where = gpu.namespace === null ? gpu.pod : `${gpu.namespace}/${gpu.pod ?? ''}`
  return [gpu.model_name, where, gpu.uuid, ...seen].filter((fact) => fact !== null && fact !== '').join(' · ')
}

/** The name of an open GPU. */
export function titleOf(gpu: Gpu): string {
  return gpu.host === '' ? nameOf(gpu) : `${gpu.host} · ${nameOf(gpu)}`
}

function samePeriod(a: Period, b: Period): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The charts are made once, for any GPU. */
const NO_GPU: Gpu = {
  ...{ n: -1, uuid: null, gpu_id: null, model_name: null, hostname: null, mig: null, pod: null, namespace: null },
  ...{ key: '', host: '', isStale: false, seenAtMs: null, figures: {} },
}
const PORT_PANEL: Panel = {
  ...{ id: 'port-traffic', title: 'Port', measurement: '', fields: [], aggregate: 'mean', lines: [], stacked: false },
  ...{ axis: 'decimal', format: () => ({ text: '', unit: '' }), makeReader: () => () => {}, headline: () => [] },
}
