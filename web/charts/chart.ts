import uPlot from 'uplot'
import type { TimeWindow } from '../shared/period.ts'
import type { Palette } from '../shared/theme.ts'
import { dayText, timeText } from '../shared/times.ts'
import { axisEnd, decimalSteps, markText, uncutTexts } from './axis.ts'
import { COLOURS } from './lines.ts'
import { type Mark, marksNear, NEAR_PX } from './marks.ts'
import type { Line, Panel } from './panel.ts'
import type { Cell, Table } from './table.ts'

export interface ChartEvents {
  /** The reader dragged over a window of time. */
  zoom(window: TimeWindow): void
  zoomBack(): void
  /** The crosshair is elsewhere. */
  point(point: Point): void
}

/** Where the crosshair is. */
export interface Point {
  /** The time of the row of the table there, ms; null when it has left the chart. */
  readonly atMs: number | null
  /** The marks there, and how far the crosshair is from the left of the plot, CSS pixels. */
  readonly marks: readonly Mark[]
  readonly leftPx: number
}

export interface ChartLook {
  /** Where the times stand. Charts one below the other need them once. */
  readonly times: 'below' | 'above' | 'nowhere'
}

const NOWHERE: Point = { atMs: null, marks: [], leftPx: 0 }

const DAY_MS = 86_400_000
const SMALLEST_ZOOM_PX = 6
/** Room for `2.5 MB/s`. It is the same on all charts, so that one moment has one place in a column of them. */
const AXIS_PX = 62
const RIGHT_PX = 8
/** Half of the lowest mark of the axis, where no times are below it. */
const BELOW_PX = 6

/** One chart. All charts of the page share the crosshair and the drag through uPlot's sync. */
export class Chart {
  readonly #holder: HTMLElement
  #panel: Panel
  readonly #palette: Palette
  readonly #events: ChartEvents
  readonly #look: ChartLook
  #plot: uPlot | undefined
  #lines: readonly Line[] = []
  #marks: readonly Mark[] = []

  constructor(
    holder: HTMLElement,
    panel: Panel,
    palette: Palette,
    events: ChartEvents,
    look: ChartLook = { times: 'below' },
  ) {
    this.#look = look
    this.#holder = holder
    this.#panel = panel
    this.#palette = palette
    this.#events = events
    const resize = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = holder
      if (width > 0 && height > 0) this.#plot?.setSize({ width, height })
    })
    resize.observe(holder)
  }

  /** The width of the plot without its axis, CSS pixels. */
  get plotWidth(): number {
    return this.#plot?.over.clientWidth ?? this.#holder.clientWidth - AXIS_PX - RIGHT_PX
  }

  /** Draws another panel from now on. */
  use(panel: Panel): void {
    if (panel === this.#panel) return
    this.#panel = panel
    this.#plot?.destroy()
    this.#plot = undefined
  }

  draw(table: Table, lines: readonly Line[], window: TimeWindow, marks: readonly Mark[] = []): void {
    this.#marks = marks
    const data = this.#dataOf(table, lines)
    if (this.#plot === undefined || !sameLines(lines, this.#lines)) this.#rebuild(lines)
    const plot = this.#plot!
    plot.batch(() => {
      plot.setData(data, false)
      plot.setScale('x', { min: window.fromMs, max: window.toMs })
    })
  }

  /** Draws the same data again, after the theme changed. */
  redraw(): void {
    this.#plot?.redraw(false, true)
  }

  /** Copies the table, because it changes while uPlot looks up rows between two draws. Stacked lines are drawn from the top. */
  #dataOf(table: Table, lines: readonly Line[]): uPlot.AlignedData {
    const cells = lines.map((line) => table.cells(line.column))
    const drawn = this.#panel.stacked ? stack(cells, table.times.length).reverse() : cells.map((column) => [...column])
    return [[...table.times], ...drawn]
  }

  #rebuild(lines: readonly Line[]): void {
    this.#plot?.destroy()
    this.#lines = lines
    const { clientWidth: width, clientHeight: height } = this.#holder
    const drawnLines = lines.map((_, index) => index)
    if (this.#panel.stacked) drawnLines.reverse()
    const options: uPlot.Options = {
      width: Math.max(width, 1),
      height: Math.max(height, 1),
      ms: 1,
      padding: [8, RIGHT_PX, this.#look.times === 'below' ? 0 : BELOW_PX, 0],
      legend: { show: false },
      series: [{}, ...drawnLines.map((index) => this.#series(index))],
      scales: { x: { time: true, auto: false }, y: { range: (_plot, _min, max) => this.#range(max) } },
      axes: this.#axes(),
      cursor: {
        y: false,
        points: { size: 6 },
        drag: { x: true, y: false, setScale: false },
        sync: { key: 'host' },
        bind: {
          dblclick: () => () => {
            this.#events.zoomBack()
            return null
          },
        },
      },
      hooks: {
        setSelect: [(plot) => this.#zoom(plot)],
        setCursor: [(plot) => this.#events.point(this.#pointOf(plot))],
        draw: [(plot) => this.#drawMarks(plot)],
      },
    }
    this.#plot = new uPlot(options, undefined, this.#holder)
  }

  #pointOf(plot: uPlot): Point {
    const { idx, left } = plot.cursor
    if (left === undefined || left < 0) return NOWHERE
    const msOfPixel = plot.posToVal(1, 'x') - plot.posToVal(0, 'x')
    const marks = marksNear(this.#marks, plot.posToVal(left, 'x'), NEAR_PX * msOfPixel)
    return { atMs: idx == null ? null : (plot.data[0][idx] ?? null), marks, leftPx: left }
  }

  /** Lines of one pixel from top to bottom, over the values: what happened is seen where it shows. */
  #drawMarks({ ctx, bbox: { left, top, width, height }, valToPos }: uPlot): void {
    for (const { atMs, colour } of this.#marks) {
      const x = Math.round(valToPos(atMs, 'x', true))
      if (x < left || x > left + width) continue
      ctx.fillStyle = this.#palette.colour(colour)
      const thin = Math.max(1, Math.round(devicePixelRatio))
      ctx.fillRect(x, top, thin, height)
      ctx.fillRect(x - 2 * thin, top, 5 * thin, 3 * thin)
    }
  }

  #series(index: number): uPlot.Series {
    const colour = () => this.#palette.colour(`line-${Math.min(index + 1, COLOURS)}`)
    const { stacked, axis } = this.#panel
    const isFilled = stacked ? this.#lines[index]!.isRest !== true : index === 0 && axis === 'decimal'
    const fill = () => this.#palette.colour(stacked ? `area-${Math.min(index + 1, COLOURS)}` : 'area-soft')
    return {
      stroke: colour,
      width: stacked && index > 0 ? 1 : 1.5,
      ...(isFilled ? { fill } : {}),
      points: { size: 4, fill: colour, filter: isolatedPoints },
    }
  }

  #range(max: number | null): uPlot.Range.MinMax {
    if (this.#panel.axis === 'percent') return [0, 100]
    // A stack of memory fills the whole memory, so the axis ends there and not at the next power of two.
    if (this.#panel.stacked) return [0, max || 1]
    return [0, axisEnd(max ?? 0, this.#leastStep)]
  }

  #axes(): uPlot.Axis[] {
    const text = () => this.#palette.colour('text-faint')
    const grid = { stroke: () => this.#palette.colour('grid'), width: 1 }
    const font = `11px ${getComputedStyle(this.#holder).fontFamily}`
    const shared = { stroke: text, font, ticks: { show: false } }
    return [
      {
        ...shared,
        show: this.#look.times !== 'nowhere',
        side: this.#look.times === 'above' ? 0 : 2,
        size: 24,
        gap: 8,
        space: 52,
        grid: { show: false },
        incrs: TIME_STEPS,
        values: (plot, splits, _axis, _space, step) => {
          const edge = plot.bbox.width / devicePixelRatio + RIGHT_PX
          return uncutTexts(timesOf(splits, step), (index) => plot.valToPos(splits[index]!, 'x'), edge)
        },
      },
      {
        ...shared,
        size: AXIS_PX,
        gap: 8,
        space: 30,
        grid,
        incrs: this.#panel.axis === 'binary' ? POWERS_OF_TWO : decimalSteps(this.#leastStep),
        values: (_plot, splits) => splits.map((value) => markText(value, this.#panel.format)),
      },
    ]
  }

  get #leastStep(): number {
    return this.#panel.leastStep ?? 1
  }

  #zoom(plot: uPlot): void {
    const { left, width } = plot.select
    if (width === 0) return
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    if (width < SMALLEST_ZOOM_PX) return
    this.#events.zoom({
      fromMs: Math.round(plot.posToVal(left, 'x')),
      toMs: Math.round(plot.posToVal(left + width, 'x')),
    })
  }
}

const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200]
const DAYS = [1, 2, 5, 10, 30]
const TIME_STEPS = [...SECONDS.map((count) => count * 1000), ...DAYS.map((count) => count * DAY_MS)]
const POWERS_OF_TWO = Array.from({ length: 60 }, (_, power) => 2 ** power)

function sameLines(a: readonly Line[], b: readonly Line[]): boolean {
  return a.length === b.length && a.every((line, index) => line.column === b[index]!.column)
}

/** Puts each column on top of the ones before it. A gap in one is a gap in all above it, because their height is unknown there. */
function stack(columns: readonly (readonly Cell[])[], rows: number): Cell[][] {
  const below = new Array<Cell>(rows).fill(undefined)
  return columns.map((column) => {
    for (let row = 0; row < rows; row++) {
      const cell = column[row]
      const base = below[row]
      if (cell === null || base === null) below[row] = null
      else if (cell !== undefined) below[row] = (base ?? 0) + cell
    }
    return [...below]
  })
}

/** The rows of values between two gaps: no line leads to them, so the chart shows them as points. */
function isolatedPoints(plot: uPlot, seriesIndex: number): number[] {
  const cells = plot.data[seriesIndex]!
  const rows: number[] = []
  for (let row = 0; row < cells.length; row++) {
    if (cells[row] == null) continue
    const before = row === 0 ? null : cells[row - 1]
    const after = row === cells.length - 1 ? null : cells[row + 1]
    if (before === null && after === null) rows.push(row)
  }
  return rows
}

function timesOf(splits: readonly number[], step: number): string[] {
  return splits.map((at) => {
    if (step >= DAY_MS) return dayText(at)
    const midnight = new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0
    return midnight && step >= 60_000 ? dayText(at) : timeText(at, step < 60_000)
  })
}
