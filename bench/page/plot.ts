import uPlot from 'uplot'
import { UNKNOWN } from '../../internal/text/figure.ts'
import { element } from '../../web/shared/dom.ts'
import type { Palette } from '../../web/shared/theme.ts'

export interface Line {
  readonly name: string
  /** The name of a custom property of the style sheet. */
  readonly colour: string
  readonly values: readonly (number | null)[]
}

export interface PlotOptions {
  readonly title: string
  /** Describes the chart to readers who cannot see it. */
  readonly summary: string
  readonly palette: Palette
  readonly x: readonly number[]
  readonly lines: readonly Line[]
  readonly scales: uPlot.Scales
  /** The marks of the x axis, in place of uPlot's choice. */
  readonly xSplits?: readonly number[]
  /** The possible steps between the marks of the y axis, in place of round decimal ones. */
  readonly yIncrements?: readonly number[]
  readonly xText: (value: number) => string
  readonly yText: (value: number) => string
  /** The index of `x` that the legend shows while nobody points at the chart. Without it the legend shows names alone. */
  readonly restIndex?: number
  /** Charts with the same name share a crosshair. */
  readonly crosshair: string
}

/** A line chart in a card, with a legend that shows the values at the crosshair. */
export class Plot {
  readonly card: HTMLElement
  readonly #options: PlotOptions
  readonly #holder: HTMLElement
  readonly #at = element('span', { class: 'at' })
  readonly #values: readonly HTMLElement[]
  #plot: uPlot | undefined

  constructor(options: PlotOptions) {
    this.#options = options
    this.#holder = element('div', { class: 'plot', role: 'img', 'aria-label': options.summary })
    this.#values = options.lines.map(() => element('span', { class: 'value' }))
    const legend = element('ul', { class: 'legend' })
    for (const [i, { name, colour }] of options.lines.entries()) {
      const swatch = element('i', { class: 'swatch', 'aria-hidden': 'true' })
      swatch.style.background = `var(--${colour})`
      legend.append(element('li', {}, swatch, name, this.#values[i]!))
    }
    const head = element('div', { class: 'card-head' }, element('h3', { text: options.title }), this.#at)
    this.card = element('div', { class: 'card chart' }, head, this.#holder, legend)
    this.#showAt(options.restIndex)
    new ResizeObserver(() => this.#fit()).observe(this.#holder)
  }

  /** Draws the chart again, after the theme changed. */
  redraw(): void {
    this.#plot?.redraw(false, true)
  }

  /** Makes the chart when it gets its first size, because uPlot needs one. */
  #fit(): void {
    const { clientWidth: width, clientHeight: height } = this.#holder
    if (width === 0 || height === 0) return
    if (this.#plot === undefined) this.#plot = this.#make(width, height)
    else this.#plot.setSize({ width, height })
  }

  #make(width: number, height: number): uPlot {
    const { x, lines, scales, crosshair, palette } = this.#options
    const data = [[...x], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData
    const series = lines.map(({ colour }) => ({
      stroke: () => palette.colour(colour),
      width: 1.5,
      points: { show: false },
    }))
    return new uPlot(
      {
        width,
        height,
        padding: [8, 24, 0, 0],
        legend: { show: false },
        scales,
        series: [{}, ...series],
        axes: this.#axes(),
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: crosshair } },
        hooks: {
          setCursor: [({ cursor: { idx, left = -1 } }) => this.#showAt(left < 0 ? undefined : (idx ?? undefined))],
        },
      },
      data,
      this.#holder,
    )
  }

  #axes(): uPlot.Axis[] {
    const { palette, xSplits, yIncrements, xText, yText } = this.#options
    const shared = {
      stroke: () => palette.colour('text-faint'),
      font: `11px ${getComputedStyle(this.#holder).fontFamily}`,
      ticks: { show: false },
      grid: { stroke: () => palette.colour('grid'), width: 1 },
    }
    return [
      {
        ...shared,
        size: 24,
        gap: 8,
        ...(xSplits === undefined
          ? { space: 60 }
          : { splits: [...xSplits], filter: (_plot: uPlot, splits: number[]) => splits }),
        values: (_plot, splits) => splits.map(xText),
      },
      {
        ...shared,
        size: 60,
        gap: 8,
        space: 28,
        ...(yIncrements === undefined ? {} : { incrs: [...yIncrements] }),
        values: (_plot, splits) => splits.map((value) => (value === null ? '' : yText(value))),
      },
    ]
  }

  #showAt(pointed: number | undefined): void {
    const { x, lines, xText, yText, restIndex } = this.#options
    const index = pointed ?? restIndex
    this.#at.textContent = index === undefined ? '' : `at ${xText(x[index]!)}`
    for (const [i, { values }] of lines.entries()) {
      const value = index === undefined ? undefined : values[index]
      this.#values[i]!.textContent = index === undefined ? '' : value == null ? UNKNOWN : yText(value)
    }
  }
}
