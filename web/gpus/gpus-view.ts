import { countOf } from '../../internal/text/count.ts'
import { CellMap } from '../cells/cell-map.ts'
import { highest, MOST_WORST, WorstList } from '../cells/worst-list.ts'
import { markText } from '../charts/axis.ts'
import type { ServerClock } from '../shared/clock.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'
import type { Period } from '../shared/period.ts'
import { LiveStream, type StreamState } from '../shared/stream.ts'
import type { Palette } from '../shared/theme.ts'
import { GPUS_VIEW, type GpuMetricName, type GpusState } from '../shared/url-state.ts'
import { type Gpu, gpuOfKey, matches, nameOf } from './gpu.ts'
import { byHost, cellsOf, type Group, inOrderOf, rankOf, worstFirst } from './gpu-cells.ts'
import { colourRange, GPU_METRICS, type GpuMetric, gpuText, valueIn } from './gpu-metrics.ts'
import { factsOf, GpuPage, titleOf } from './gpu-page.ts'
import { fleetFacts, tipText } from './gpus-text.ts'
import { GpusTable } from './gpus-table.ts'

/** Hosts change their places at most so often: a map whose cells jump each second cannot be read. */
const REORDER_MS = 5_000

export interface GpusViewOptions {
  readonly clock: ServerClock
  readonly palette: Palette
  /** Shows something else, as a new state of the page. */
  readonly go: (gpus: GpusState, period?: Period) => void
  /** The same, in place of the present state: a filter that is being written. */
  readonly become: (gpus: GpusState) => void
  readonly back: () => void
  /** Something came. */
  readonly changed: () => void
}

/** The view of GPUs: a cell a GPU, grouped by host, the worst ones beside it, and the charts of the one that is open. */
export class GpusView {
  readonly #options: GpusViewOptions
  readonly #map: CellMap
  readonly #worst: WorstList
  readonly #page: GpuPage
  readonly #filter = byId<HTMLInputElement>('gpus-filter')
  #table = new GpusTable()
  #stream: LiveStream | undefined
  #streamState: StreamState = 'connecting'
  /** Whether the API has named its GPUs. */
  #isKnown = false
  #state: GpusState = GPUS_VIEW
  #period: Period = { range: '5m' }
  /** The GPUs that the filter lets through, as they are drawn. */
  #shown: readonly Gpu[] = []
  #hosts: readonly string[] = []
  #orderedAtMs = -Infinity

  constructor(options: GpusViewOptions) {
    this.#options = options
    const { clock, palette, back, changed } = options
    const choose = (key: string): void => this.#go({ gpu: key, port: null, fabric: null })
    this.#map = new CellMap({
      ...{ name: 'gpus', palette, namesGroups: true, choose },
      describe: (index) => ({ name: this.#nameInMap(index), text: tipText(this.#shown[index]!, clock.now()) }),
    })
    this.#worst = new WorstList('gpus-worst', choose)
    this.#page = new GpuPage({
      ...{ clock, palette, back, changed },
      zoom: (window) => options.go(this.#state, window),
      choosePort: (port, fabric) => this.#go({ port, fabric }),
    })
    byId('gpus-metric').addEventListener('click', ({ target }) => {
      const { metric } = (target as HTMLElement).dataset
      if (metric !== undefined) this.#go({ metric: metric as GpuMetricName })
    })
    byId('gpus-order').addEventListener('click', ({ target }) => {
      const { order } = (target as HTMLElement).dataset
      if (order !== undefined) this.#go({ order: order as GpusState['order'] })
    })
    byId('gpus-all').addEventListener('click', () => this.closeGpu())
    this.#filter.addEventListener('input', () => options.become({ ...this.#state, filter: this.#filter.value }))
    this.#filter.addEventListener('keydown', (event) => this.#filterKey(event))
  }

  get stream(): StreamState | 'no host' {
    return this.#isKnown && this.#table.gpus.length === 0 ? 'no host' : (this.#page.refusal ?? this.#streamState)
  }

  /** When the newest figures that are shown arrived, of the open GPU or of all, ms by the clock of the server; 0 before the first. */
  get newestAtMs(): number {
    return this.#state.gpu === null ? this.#table.newestAtMs : this.#page.newestAtMs
  }

  /** Whether the open GPU is stale; without one, whether all are. */
  get isStale(): boolean {
    if (this.#state.gpu !== null) return this.#gpu?.isStale ?? false
    const { gpus } = this.#table
    return gpus.length > 0 && gpus.every(({ isStale }) => isStale)
  }

  /** What the API knows; `unknown` until it has answered. */
  get gpus(): 'unknown' | 'none' | 'some' {
    if (!this.#isKnown) return 'unknown'
    return this.#table.gpus.length === 0 && this.#state.gpu === null ? 'none' : 'some'
  }

  show(state: GpusState, period: Period): void {
    if (state.metric !== this.#state.metric || state.order !== this.#state.order) this.#orderedAtMs = -Infinity
    this.#state = state
    this.#period = period
    if (this.#filter.value !== state.filter) this.#filter.value = state.filter
    this.#stream ??= this.#open()
    this.#write()
    this.#writeHead()
  }

  close(): void {
    this.#stream?.close()
    this.#stream = undefined
    this.#page.close()
  }

  draw(): void {
    this.#writeHead()
    this.#page.draw()
  }

  redraw(): void {
    this.#map.redraw()
    this.#page.redraw()
  }

  /** It belongs to the map. */
  focusFilter(): void {
    this.closeGpu()
    this.#filter.focus()
    this.#filter.select()
  }

  /** Leaves the open GPU. @returns false where none is open */
  closeGpu(): boolean {
    if (this.#state.gpu === null) return false
    this.#go({ gpu: null, port: null, fabric: null })
    return true
  }

  /** Opens the GPU `step` places after the open one, or before it for a negative step. */
  neighbour(step: number): void {
    const at = this.#shown.findIndex(({ key }) => key === this.#state.gpu)
    const next = this.#shown[at === -1 ? 0 : at + step]
    if (next !== undefined) this.#go({ gpu: next.key, port: null, fabric: null })
  }

  #go(change: Partial<GpusState>): void {
    this.#options.go({ ...this.#state, ...change })
  }

  get #metric(): GpuMetric {
    return GPU_METRICS.find(({ name }) => name === this.#state.metric)!
  }

  /** The open GPU. Its key tells enough for the history of one that is gone. */
  get #gpu(): Gpu | undefined {
    const { gpu: key } = this.#state
    if (key === null) return undefined
    return this.#table.gpus.find((gpu) => gpu.key === key) ?? (this.#isKnown ? gpuOfKey(key) : undefined)
  }

  #open(): LiveStream {
    return new LiveStream('api/v1/gpus/live', {
      ...{ samples: () => {}, missed: () => {} },
      state: (state) => {
        this.#streamState = state
        // Each connection numbers its GPUs anew.
        if (state === 'live') this.#table = new GpusTable()
        this.#options.changed()
      },
      gpus: (list) => {
        this.#table.takeList(list)
        this.#take()
      },
      figures: (figures) => {
        this.#table.takeFigures(figures)
        this.#take()
      },
    })
  }

  #take(): void {
    this.#isKnown = true
    this.#write()
    this.#options.changed()
  }

  #write(): void {
    const metric = this.#metric
    const { gpu: open } = this.#state
    for (const button of byId('gpus-metric').querySelectorAll('button'))
      setAttribute(button, 'aria-pressed', String(button.dataset.metric === metric.name))
    for (const button of byId('gpus-order').querySelectorAll('button'))
      setAttribute(button, 'aria-pressed', String(button.dataset.order === this.#state.order))
    const groups = this.#inOrder(byHost(this.#table.gpus.filter((gpu) => matches(gpu, this.#state.filter))))
    this.#shown = groups.flat()
    const scale = colourRange(
      this.#shown.map((gpu) => (gpu.isStale ? null : valueIn(gpu, metric))),
      metric,
    )
    byId('gpus').toggleAttribute('data-open', open !== null)
    byId('gpus-map').hidden = open !== null
    byId('gpu-page').hidden = open === null
    this.#map.show(cellsOf(groups, metric), { chosen: open, isStale: false, scale })
    this.#writeWorst(metric)
    this.#writeLegend(metric)
    const gpu = this.#gpu
    const { port, fabric } = this.#state
    this.#page.show(gpu === undefined ? undefined : { gpu, period: this.#period, port, fabric })
  }

  /** The hosts as they are to stand. The worst ones change places seldom, and never under the pointer. */
  #inOrder(groups: readonly Group[]): readonly Group[] {
    if (this.#state.order === 'host') return groups
    const isKnown = groups.every(([first]) => this.#hosts.includes(first!.host))
    const isOld = performance.now() - this.#orderedAtMs >= REORDER_MS
    if (isKnown && (!isOld || this.#map.isPointedAt)) return inOrderOf(groups, this.#hosts)
    const metric = this.#metric
    // The list of GPUs comes before their figures.
    if (groups.some((group) => group.some((gpu) => valueIn(gpu, metric) !== null)))
      this.#orderedAtMs = performance.now()
    const ordered = worstFirst(groups, metric)
    this.#hosts = ordered.map(([first]) => first!.host)
    return ordered
  }

  #writeWorst(metric: GpuMetric): void {
    const rows = highest(
      this.#shown.map((gpu) => rankOf(gpu, metric)),
      MOST_WORST,
    ).map((index) => {
      const gpu = this.#shown[index]!
      return { id: gpu.key, name: titleOf(gpu), text: gpuText(gpu, metric) }
    })
    setText(
      byId('gpus-worst-title'),
      `${metric.worst === 'lowest' ? 'Lowest' : 'Highest'} ${metric.title.toLowerCase()}`,
    )
    this.#worst.show(rows, this.#state.gpu)
  }

  #writeLegend(metric: GpuMetric): void {
    const { scale } = this.#map
    const count = countOf(this.#shown.length, 'GPU')
    setText(byId('gpus-what'), metric.title)
    byId('gpus-legend').hidden = scale === null
    const [low, high] = scale === null ? ['', ''] : [scale.low, scale.high].map((end) => markText(end, metric.format))
    setText(byId('gpus-low'), low!)
    setText(byId('gpus-high'), high!)
    const range = scale === null ? 'no numbers' : `coloured from ${low} to ${high}`
    setAttribute(byId('gpus-canvas'), 'aria-label', `${metric.title} of ${count}: ${range}`)
    const nothing = byId('gpus-none')
    nothing.hidden = this.#shown.length > 0 || this.#table.gpus.length === 0
    setText(nothing, `No GPU matches “${this.#state.filter}”.`)
  }

  /** With each draw of the frame and not with what comes, so that the age here and the one on the status line are of one moment. */
  #writeHead(): void {
    const gpu = this.#gpu
    const { gpu: key } = this.#state
    byId('gpus-all').hidden = key === null
    setText(byId('gpus-title'), gpu === undefined ? 'GPUs' : titleOf(gpu))
    setText(byId('gpus-facts'), gpu === undefined ? this.#fleetFacts() : this.#factsOf(gpu))
    setAttribute(byId('gpus'), 'data-stale', String(this.isStale))
    document.title = `${gpu === undefined ? 'GPUs' : titleOf(gpu)} · SentinelStream`
  }

  #factsOf(gpu: Gpu): string {
    if (this.#page.isUnknown) return 'No GPU of this name has sent anything in the last 7 days.'
    return factsOf(gpu, this.newestAtMs, this.#options.clock.now())
  }

  #fleetFacts(): string {
    const { newestAtMs, isStale } = this
    return fleetFacts(this.#table.gpus, this.#shown, { newestAtMs, isStale, nowMs: this.#options.clock.now() })
  }

  #nameInMap(index: number): string {
    return nameOf(this.#shown[index]!)
  }

  #filterKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      this.#options.become({ ...this.#state, filter: '' })
      this.#filter.blur()
    } else if (event.key === 'Enter') {
      this.#filter.blur()
      byId('gpus-canvas').focus()
    }
  }
}
