import type { FabricCells } from '../shared/api.ts'
import { byId, setAttribute } from '../shared/dom.ts'
import type { Palette } from '../shared/theme.ts'
import { cellAt, cornerOf, type Layout, layoutCells } from './layout.ts'
import { type Scale, scaleOf, shadeOf, shadesBetween } from './scale.ts'

export interface FabricMapEvents {
  /** The pointer, or the keys, are at a cell; −1: at none. */
  point(index: number): void
  choose(index: number): void
}

/** Below this a cell is outlined, above it ringed: the ring would hide a small one. CSS pixels. */
const RING_PX = 2

/**
 * One cell a switch or port on a canvas. It is drawn when something changed, at most once a frame; 5,000 cells take 3 ms.
 * Where the values are texts, each text has a shade of its own.
 */
export class FabricMap {
  readonly #canvas = byId<HTMLCanvasElement>('fabric-canvas')
  readonly #holder = byId('fabric-canvas-holder')
  readonly #palette: Palette
  readonly #events: FabricMapEvents
  #cells: FabricCells | undefined
  #layout: Layout = layoutCells([], 1, 1)
  #pointed = -1
  #chosen = -1
  #isStale = false
  #frame = 0

  constructor(palette: Palette, events: FabricMapEvents) {
    this.#palette = palette
    this.#events = events
    new ResizeObserver(() => this.#place()).observe(this.#holder)
    const canvas = this.#canvas
    canvas.addEventListener('pointermove', (event) => this.#point(cellAt(this.#layout, event.offsetX, event.offsetY)))
    canvas.addEventListener('pointerleave', () => this.#point(-1))
    canvas.addEventListener('click', (event) => {
      const index = cellAt(this.#layout, event.offsetX, event.offsetY)
      if (index >= 0) events.choose(index)
    })
    canvas.addEventListener('keydown', (event) => {
      if (this.#key(event.key)) event.preventDefault()
    })
    canvas.addEventListener('blur', () => this.#point(-1))
  }

  /** The range of the shown values; null where they are texts, or none. */
  get scale(): Scale | null {
    return scaleOf((this.#cells?.values ?? []).map((value) => (typeof value === 'number' ? value : null)))
  }

  /** The cell that is pointed at, in the holder of the canvas. */
  get pointedCell(): { readonly left: number; readonly top: number; readonly bottom: number } {
    const { x, y } = cornerOf(this.#layout, this.#pointed)
    return { left: x, top: y, bottom: y + this.#layout.cell }
  }

  show(cells: FabricCells | undefined, chosen: string | null, isStale: boolean): void {
    const isPlaced = sameGroups(cells, this.#cells)
    this.#cells = cells
    this.#chosen = chosen === null ? -1 : (cells?.ids.indexOf(chosen) ?? -1)
    this.#isStale = isStale
    if (!isPlaced) this.#place()
    this.redraw()
  }

  redraw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      this.#draw()
    })
  }

  #place(): void {
    const { clientWidth, clientHeight } = this.#holder
    const groups = (this.#cells?.groups ?? []).map(({ count }) => count)
    this.#layout = layoutCells(groups, Math.max(1, clientWidth), Math.max(1, clientHeight))
    const { height } = this.#layout
    const scale = devicePixelRatio
    this.#canvas.style.height = `${height}px`
    this.#canvas.width = Math.round(clientWidth * scale)
    this.#canvas.height = Math.round(height * scale)
    this.redraw()
  }

  #draw(): void {
    const context = this.#canvas.getContext('2d')!
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height)
    const cells = this.#cells
    if (cells === undefined) return
    const { cell, gap, blocks } = this.#layout
    const unknown = this.#palette.colour('cell-unknown')
    const colourOf = this.#colours(cells)
    for (const { first, count, columns, x, y } of blocks) {
      for (let place = 0; place < count; place++) {
        context.fillStyle = colourOf(cells.values[first + place]) ?? unknown
        context.fillRect(
          x + (place % columns) * (cell + gap),
          y + Math.floor(place / columns) * (cell + gap),
          cell,
          cell,
        )
      }
    }
    this.#ring(context, this.#chosen, 'text')
    this.#ring(context, this.#pointed, 'text-soft')
  }

  /** Gives the colour of a value; undefined where it is unknown. Values that are stale have no colour, only shades of grey. */
  #colours({ values }: FabricCells): (value: number | string | null | undefined) => string | undefined {
    const kind = this.#isStale ? 'cell-stale' : 'cell'
    const shades = shadesBetween(this.#palette.colour(`${kind}-low`), this.#palette.colour(`${kind}-high`))
    const { scale } = this
    if (scale !== null) return (value) => (typeof value === 'number' ? shades[shadeOf(value, scale)] : undefined)
    const texts = textsOf(values)
    const shared = { low: 0, high: Math.max(1, texts.length - 1) }
    const byText = new Map(texts.map((text, index) => [text, shades[shadeOf(index, shared)]!]))
    return (value) => (typeof value === 'string' ? byText.get(value) : undefined)
  }

  #ring(context: CanvasRenderingContext2D, index: number, colour: string): void {
    if (index < 0) return
    const { x, y } = cornerOf(this.#layout, index)
    const { cell } = this.#layout
    context.strokeStyle = this.#palette.colour(colour)
    context.lineWidth = RING_PX
    context.strokeRect(x, y, cell, cell)
  }

  #point(index: number): void {
    if (index === this.#pointed) return
    this.#pointed = index
    setAttribute(this.#canvas, 'data-pointed', String(index >= 0))
    this.#events.point(index)
    this.redraw()
  }

  #key(key: string): boolean {
    const count = this.#cells?.ids.length ?? 0
    if (count === 0) return false
    if (key === 'Enter' && this.#pointed >= 0) {
      this.#events.choose(this.#pointed)
      return true
    }
    const columns = this.#layout.blocks[0]?.columns ?? 1
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
    }
    const step = steps[key]
    if (step === undefined) return false
    const from = this.#pointed >= 0 ? this.#pointed + step : Math.max(0, this.#chosen)
    this.#point(Math.min(count - 1, Math.max(0, from)))
    return true
  }
}

/** The texts of a map, in order: as many as there are shades for. */
export function textsOf(values: FabricCells['values']): string[] {
  return [...new Set(values.filter((value) => typeof value === 'string'))].sort()
}

function sameGroups(a: FabricCells | undefined, b: FabricCells | undefined): boolean {
  const [one, other] = [a?.groups ?? [], b?.groups ?? []]
  return one.length === other.length && one.every(({ count }, index) => count === other[index]!.count)
}
