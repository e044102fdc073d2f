import { countOf } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import { CellMap } from '../cells/cell-map.ts'
import { textsOf } from '../cells/cells.ts'
import { highest, MOST_WORST, WorstList, type WorstRow } from '../cells/worst-list.ts'
import { valueText } from '../charts/metric-panel.ts'
import type { Fabric, FabricCells, FabricMetric } from '../shared/api.ts'
import type { ApiError } from '../shared/api-error.ts'
import type { ServerClock } from '../shared/clock.ts'
import { byId, setAttribute, setText, writeChoices } from '../shared/dom.ts'
import type { Period } from '../shared/period.ts'
import type { Palette } from '../shared/theme.ts'
import { seenText } from '../shared/times.ts'
import { type Comparison, FABRIC_VIEW, type FabricState } from '../shared/url-state.ts'
import { FabricHistory } from './fabric-history.ts'
import { type CellsQuestion, FabricPoll } from './fabric-poll.ts'

/** The fabric whose targets have no name of their own. */
const UNNAMED = 'default'
const STALE_INTERVALS = 3
/** The API is asked every two seconds. */
const LEAST_SILENT_MS = 10_000

export interface FabricViewOptions {
  readonly clock: ServerClock
  readonly palette: Palette
  /** Shows something else, as a new state of the page. */
  readonly go: (fabric: FabricState, period?: Period) => void
  readonly back: () => void
  /** The API answered, or why not. */
  readonly answered: (error?: ApiError) => void
}

/** The view of the fabrics: a cell a switch or port, the highest ones, and the history of the one that is chosen. */
export class FabricView {
  readonly #options: FabricViewOptions
  readonly #poll: FabricPoll
  readonly #map: CellMap
  readonly #worst: WorstList
  readonly #history: FabricHistory
  readonly #names = byId<HTMLSelectElement>('fabric-name')
  readonly #metrics = byId<HTMLSelectElement>('fabric-metric')
  #fabrics: readonly Fabric[] | undefined
  #polledAtMs = 0
  #cells: FabricCells | undefined
  /** What the cells are of. */
  #question: CellsQuestion | undefined
  #state: FabricState = FABRIC_VIEW
  #period: Period = { range: '5m' }
  #isOpen = false
  /** As it is drawn. */
  #wasStale = false

  constructor(options: FabricViewOptions) {
    this.#options = options
    const { clock, palette, back } = options
    this.#poll = new FabricPoll({
      fabrics: (fabrics) => this.#takeFabrics(fabrics),
      cells: (cells, question) => this.#takeCells(cells, question),
      failed: (error) => options.answered(error),
    })
    const choose = (id: string): void => this.#go({ id: id === this.#state.id ? null : id })
    this.#map = new CellMap({
      ...{ name: 'fabric', palette, namesGroups: false, choose },
      describe: (index) => ({
        name: this.#cells!.ids[index]!,
        text: this.#tipText(this.#cells!.values[index]),
      }),
    })
    this.#worst = new WorstList('fabric-worst', choose)
    this.#history = new FabricHistory({
      ...{ clock, palette, back },
      zoom: (window) => options.go(this.#state, window),
    })
    this.#names.addEventListener('change', () => this.#go({ fabric: this.#names.value, metric: null, id: null }))
    this.#metrics.addEventListener('change', () => this.#go({ metric: this.#metrics.value }))
    byId('fabric-by').addEventListener('click', ({ target }) => {
      const by = (target as HTMLElement).dataset.by as Comparison | undefined
      if (by !== undefined) this.#go({ by })
    })
    byId('fabric-close').addEventListener('click', () => this.#go({ id: null }))
  }

  /** The generation's age for the status line, ms; undefined before the first. */
  get ageMs(): number | undefined {
    const fabric = this.#fabric
    return fabric === undefined ? undefined : fabric.ageMs + performance.now() - this.#polledAtMs
  }

  /** Also where the API itself has said nothing for three intervals. */
  get isStale(): boolean {
    const fabric = this.#fabric
    if (fabric === undefined) return false
    const silentMs = performance.now() - this.#polledAtMs
    return fabric.stale || silentMs > Math.max(LEAST_SILENT_MS, STALE_INTERVALS * fabric.intervalMs)
  }

  /** What the API knows; `unknown` until it has answered. */
  get fabrics(): 'unknown' | 'none' | 'some' {
    if (this.#fabrics === undefined) return 'unknown'
    return this.#fabrics.length === 0 ? 'none' : 'some'
  }

  show(state: FabricState, period: Period): void {
    this.#state = state
    this.#period = period
    this.#write()
    if (this.#isOpen) this.#poll.soon()
  }

  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#poll.start()
  }

  close(): void {
    this.#isOpen = false
    this.#poll.stop()
  }

  draw(): void {
    if (this.isStale !== this.#wasStale) this.#write()
    this.#writeFacts()
    this.#history.draw()
  }

  redraw(): void {
    this.#map.redraw()
    this.#history.redraw()
  }

  #go(change: Partial<FabricState>): void {
    this.#options.go({ ...this.#state, ...change })
  }

  get #fabric(): Fabric | undefined {
    const { fabric: name } = this.#state
    return this.#fabrics?.find(({ fabric }) => fabric === name) ?? this.#fabrics?.[0]
  }

  get #metric(): FabricMetric | undefined {
    const metrics = this.#fabric?.metrics ?? []
    return (
      metrics.find(({ name }) => name === this.#state.metric) ??
      metrics.find(({ kind }) => kind !== 'text') ??
      metrics[0]
    )
  }

  /** The rate of what is no counter says nothing, so its value is shown. */
  get #by(): Comparison {
    return this.#metric?.isCounter === true ? this.#state.by : 'value'
  }

  #takeFabrics(fabrics: readonly Fabric[]): CellsQuestion | undefined {
    this.#fabrics = fabrics
    this.#polledAtMs = performance.now()
    this.#options.answered()
    this.#write()
    const [fabric, metric] = [this.#fabric, this.#metric]
    return fabric === undefined || metric === undefined
      ? undefined
      : { fabric: fabric.fabric, metric: metric.name, by: this.#by }
  }

  #takeCells(cells: FabricCells, question: CellsQuestion): void {
    this.#cells = cells
    this.#question = question
    this.#write()
    this.#openHistory()
  }

  /** The history waits for the first cells, because the fabric they are of says what is measured. */
  #openHistory(): void {
    const [fabric, metric, { id }] = [this.#fabric, this.#metric, this.#state]
    if (fabric === undefined || metric === undefined || id === null) this.#history.show(undefined)
    else this.#history.show({ fabric, id, metric: metric.name, by: this.#by, period: this.#period })
  }

  #write(): void {
    const [fabric, metric, by] = [this.#fabric, this.#metric, this.#by]
    // Those of another fabric would stand under the name of this one.
    const cells = this.#question?.fabric === fabric?.fabric ? this.#cells : undefined
    const { id } = this.#state
    writeChoices(this.#names, this.#fabrics?.map(({ fabric: name }) => name) ?? [], fabric?.fabric)
    byId('fabric-name-choice').hidden = (this.#fabrics?.length ?? 0) < 2
    writeChoices(this.#metrics, fabric?.metrics.map(({ name }) => name) ?? [], metric?.name)
    for (const button of byId('fabric-by').querySelectorAll('button')) {
      setAttribute(button, 'aria-pressed', String(button.dataset.by === by))
      button.disabled = metric?.isCounter !== true
    }
    this.#wasStale = this.isStale
    this.#map.show(cells, { chosen: id, isStale: this.#wasStale })
    this.#worst.show(this.#highest(cells), id)
    this.#writeLegend()
    this.#writeFacts()
    setText(byId('fabric-chosen'), id ?? '')
    if (id === null) this.#history.show(undefined)
    else if (cells !== undefined) this.#openHistory()
  }

  /** What stands beside a cell: its value, and of a stale one its age. */
  #tipText(value: FabricCells['values'][number] | undefined): string {
    const text = valueText(value, this.#question!.by)
    return this.#wasStale ? `${text}\n${seenText(this.ageMs ?? 0, true)}` : text
  }

  #highest(cells: FabricCells | undefined): WorstRow[] {
    const by = this.#question?.by ?? 'value'
    return highest(cells?.values ?? [], MOST_WORST).map((index) => {
      const id = cells!.ids[index]!
      return { id, name: id, text: valueText(cells!.values[index], by) }
    })
  }

  #writeLegend(): void {
    const { scale } = this.#map
    const by = this.#question?.by ?? 'value'
    const texts = textsOf(this.#cells?.values ?? [])
    setText(byId('fabric-low'), scale === null ? (texts[0] ?? '') : valueText(scale.low, by))
    setText(byId('fabric-high'), scale === null ? (texts.at(-1) ?? '') : valueText(scale.high, by))
    byId('fabric-legend').hidden = scale === null && texts.length === 0
    const what = this.#question === undefined ? '' : `${this.#question.metric}${by === 'rate' ? ', rate' : ''}`
    setText(byId('fabric-what'), what)
    const range =
      scale === null ? texts.slice(0, 6).join(', ') : `${valueText(scale.low, by)} to ${valueText(scale.high, by)}`
    setAttribute(
      byId('fabric-canvas'),
      'aria-label',
      `${what} of ${countOf(this.#cells?.ids.length ?? 0, 'cell')}: ${range}`,
    )
  }

  #writeFacts(): void {
    const [fabric, ageMs] = [this.#fabric, this.ageMs]
    if (fabric === undefined || ageMs === undefined) {
      setText(byId('fabric-facts'), '')
      return
    }
    const ports = fabric.subject === 'fabric_port' ? [countOf(fabric.rows, 'port')] : []
    const away = fabric.targets.filter(({ up }) => !up)
    const facts = [
      ...(fabric.fabric === UNNAMED ? [] : [`fabric ${fabric.fabric}`]),
      ...ports,
      countOf(fabric.switches, 'switch'),
      ...(fabric.intervalMs > 0 ? [`every ${ageText(fabric.intervalMs)}`] : []),
      seenText(ageMs, this.isStale),
      ...away.map(({ target, error }) => `${target} does not answer${error === undefined ? '' : `: ${error}`}`),
    ]
    setText(byId('fabric-facts'), facts.join(' · '))
    setAttribute(byId('fabric'), 'data-stale', String(this.isStale))
  }
}
