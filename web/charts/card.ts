import { type Figure, figureText, UNKNOWN } from '../../internal/text/figure.ts'
import { element, setAttribute, setText } from '../shared/dom.ts'
import type { TimeWindow } from '../shared/period.ts'
import type { Palette } from '../shared/theme.ts'
import { dayText, spanText, timeText } from '../shared/times.ts'
import { Chart, type ChartEvents, type ChartLook, type Point } from './chart.ts'
import { COLOURS, linesToDraw } from './lines.ts'
import { type Mark, namesOf } from './marks.ts'
import type { Headline, Line } from './panel.ts'
import type { PanelData } from './panel-data.ts'
import type { Table } from './table.ts'

// Some screen readers read a text out each time it changes. Every second would be too often.
const SUMMARY_EVERY_MS = 10_000

interface LegendItem {
  readonly line: Line
  readonly value: HTMLElement
}

/** A panel on the page: the number first, then the values at the crosshair, then the chart with the history of the number. */
export class Card {
  readonly root: HTMLElement
  readonly #title: HTMLElement
  readonly #headline = element('p', { class: 'headline' })
  readonly #legend = element('ul', { class: 'legend' })
  readonly #time = element('span', { class: 'at' })
  readonly #plot = element('div', { class: 'plot', role: 'img', 'aria-label': 'Chart without data yet' })
  readonly #noData = element('p', { class: 'nothing', hidden: '' })
  /** What happened where the crosshair is. */
  readonly #happened = element('p', { class: 'happened', hidden: '' })
  readonly #chart: Chart
  #data: PanelData
  /** The lines of the chart and of the legend. The headline knows all. */
  #lines: readonly Line[] = []
  #legendItems: LegendItem[] = []
  #live = true
  #isDrawnEmpty = false
  #pointMs: number | null = null
  #marks: readonly Mark[] = []
  #about = ''
  #summarisedTable: Table | undefined
  #summarisedMarks = 0
  #summarisedAtMs = -Infinity

  constructor(data: PanelData, palette: Palette, events: Omit<ChartEvents, 'point'>, look?: ChartLook) {
    this.#data = data
    this.#title = element('h3', { text: data.panel.title })
    const head = element('div', { class: 'card-head' }, this.#title, this.#time)
    const plotHolder = element('div', { class: 'plot-holder' }, this.#plot, this.#noData, this.#happened)
    this.root = element(
      'section',
      { class: 'card', id: `card-${data.panel.id}` },
      head,
      this.#headline,
      this.#legend,
      plotHolder,
    )
    const point = (at: Point): void => {
      this.#pointMs = at.atMs
      this.#nameMarks(at)
      this.#writeLegend()
    }
    this.#chart = new Chart(this.#plot, data.panel, palette, { ...events, point }, look)
  }

  get plotWidth(): number {
    return this.#chart.plotWidth
  }

  /** Shows the data of something else. */
  use(data: PanelData): void {
    this.#data = data
    this.#chart.use(data.panel)
  }

  /** @param words after the title, where charts of several things stand together: `of web-01` */
  about(words: string): void {
    this.#about = words
  }

  /** @param marks what happened, oldest first */
  drawChart(window: TimeWindow, nowMs: number, marks: readonly Mark[] = []): void {
    this.#marks = marks.filter(({ atMs }) => atMs >= window.fromMs && atMs <= window.toMs)
    this.#chooseLines()
    this.#chart.draw(this.#data.table, this.#lines, window, this.#marks)
    const { isLoaded, hasHistory, table } = this.#data
    this.#isDrawnEmpty = table.times.length === 0
    this.#noData.hidden = !isLoaded || !this.#isDrawnEmpty
    setText(this.#noData, hasHistory ? 'no data in this range' : 'history cannot be read now')
    if (!isLoaded) return
    const isSame = this.#data.table === this.#summarisedTable && this.#marks.length === this.#summarisedMarks
    if (isSame && nowMs - this.#summarisedAtMs < SUMMARY_EVERY_MS) return
    this.#summarisedTable = this.#data.table
    this.#summarisedMarks = this.#marks.length
    this.#summarisedAtMs = nowMs
    setAttribute(this.#plot, 'aria-label', this.#summary(window))
  }

  /** Whether the chart was drawn empty, and has values now. Charts of long ranges are drawn seldom, and would say "no data" until then. */
  get hasFirstValues(): boolean {
    return this.#isDrawnEmpty && this.#data.table.times.length > 0
  }

  /** Writes the headline and the legend: the newest values when live, else the mean of the window. */
  drawNumbers(live: boolean): void {
    this.#live = live
    this.#chooseLines()
    const { panel, lines } = this.#data
    const headlines = panel.headline((column) => this.#value(column), lines)
    writeHeadline(this.#headline, headlines, live ? '' : 'mean')
    const drawn = this.#lines.length
    const part = drawn < lines.length ? `, the ${drawn} highest of ${lines.length}` : ''
    const about = this.#about === '' ? '' : ` ${this.#about}`
    setText(this.#title, `${panel.title}${about}${part}`)
    this.#writeLegend()
  }

  redraw(): void {
    this.#chart.redraw()
  }

  #chooseLines(): void {
    this.#lines = linesToDraw(this.#data.lines, (column) => this.#value(column))
  }

  #value(column: string): number | null {
    return this.#live ? this.#data.newest(column) : this.#data.mean(column)
  }

  #writeLegend(): void {
    const { table, panel } = this.#data
    const lines = this.#lines
    if (
      lines.length !== this.#legendItems.length ||
      lines.some((line, i) => line.label !== this.#legendItems[i]!.line.label)
    ) {
      this.#buildLegend(lines)
    }
    const row = this.#pointMs === null ? -1 : table.times.indexOf(this.#pointMs)
    setText(this.#time, row === -1 ? '' : momentOf(table.times[row]!, table.bucketMs))
    for (const { line, value } of this.#legendItems) {
      const shown = row === -1 ? this.#value(line.column) : table.cells(line.column)[row]
      setText(value, shown === null || shown === undefined ? UNKNOWN : legendText(panel.format(shown)))
    }
  }

  #buildLegend(lines: readonly Line[]): void {
    this.#legendItems = lines.map((line) => ({ line, value: element('span', { class: 'value' }) }))
    const items = this.#legendItems.map(({ line, value }, index) => {
      const swatch = element('i', { class: `swatch swatch-${Math.min(index + 1, COLOURS)}`, 'aria-hidden': 'true' })
      return element(
        'li',
        {},
        swatch,
        element('span', { class: 'label', text: line.label, title: line.hint ?? line.label }),
        value,
      )
    })
    this.#legend.replaceChildren(...items)
  }

  /** The style shows it on the chart under the pointer alone: all of them have the crosshair. */
  #nameMarks({ marks, leftPx }: Point): void {
    this.#happened.hidden = marks.length === 0
    if (marks.length === 0) return
    setText(this.#happened, namesOf(marks))
    const isRight = leftPx > this.plotWidth / 2
    setAttribute(this.#happened, 'data-side', isRight ? 'right' : 'left')
    const fromRight = this.plotWidth - leftPx
    this.#happened.style.translate = isRight ? `${-Math.round(fromRight)}px` : `${Math.round(leftPx)}px`
  }

  #summary(window: TimeWindow): string {
    const { panel, table } = this.#data
    const parts = this.#lines.map(({ column, label }) => {
      const known = table.cells(column).filter((cell) => cell !== undefined && cell !== null)
      if (known.length === 0) return `${label} unknown`
      const [low, high, last] = [Math.min(...known), Math.max(...known), known.at(-1)!].map((value) =>
        figureText(panel.format(value)),
      )
      return `${label} between ${low} and ${high}, last ${last}`
    })
    const span = spanText(window.fromMs, window.toMs)
    const happened = this.#marks.length === 0 ? '' : `. Happened: ${namesOf(this.#marks)}`
    return `${panel.title}, ${span}: ${parts.length === 0 ? 'no data' : parts.join('; ')}${happened}`
  }
}

/** Without the sign of a percentage: the axis has it, and the legend little room. */
function legendText(figure: Figure): string {
  return figure.unit === '%' ? figure.text : figureText(figure)
}

function momentOf(atMs: number, bucketMs: number): string {
  return bucketMs < 60_000 ? timeText(atMs) : `${dayText(atMs)} ${timeText(atMs, false)}`
}

/** Writes figures into elements that stay, so that the browser lays nothing out anew when only digits change. */
function writeHeadline(root: HTMLElement, headlines: readonly Headline[], note: string): void {
  while (root.children.length > headlines.length) root.lastElementChild!.remove()
  while (root.children.length < headlines.length) {
    const parts = ['mark', 'number', 'unit'].map((name) => element('span', { class: name }))
    root.append(element('span', { class: 'figure' }, ...parts))
  }
  headlines.forEach(({ mark, figure, after, level }, index) => {
    const item = root.children[index] as HTMLElement
    const [markPart, number, unit] = [...item.children] as [HTMLElement, HTMLElement, HTMLElement]
    setText(markPart, mark ?? '')
    setText(number, figure?.text ?? UNKNOWN)
    const parts = figure === null ? [] : [figure.unit, note, after ?? '']
    setText(unit, parts.filter((part) => part !== '').join(' '))
    setAttribute(item, 'data-level', figure === null ? 'unknown' : (level ?? 'ok'))
  })
}
