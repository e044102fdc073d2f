import { byId, element, setAttribute, setText } from '../shared/dom.ts'
import type { Palette } from '../shared/theme.ts'
import { type Cells, groupOf, textsOf } from './cells.ts'
import { shortNames } from './group-names.ts'
import { blockOf, cellAt, cornerOf, type Layout, layoutCells, widthOf } from './layout.ts'
import { type Scale, scaleOf, shadeOf, shadesBetween } from './scale.ts'

export interface CellMapOptions {
  /** Its elements are `<name>-canvas`, `-canvas-holder`, `-tip` and `-pointed`. */
  readonly name: string
  readonly palette: Palette
  /** Whether the names of the groups stand above them, where there is room. */
  readonly namesGroups: boolean
  /** What is written beside a cell that is pointed at, below its id and group. */
  readonly describe: (index: number) => { readonly name: string; readonly text: string }
  readonly choose: (id: string) => void
}

export interface Shown {
  readonly chosen: string | null
  /** Whether all cells are stale. */
  readonly isStale: boolean
  /** Of the colours; that of the values where there is none. */
  readonly scale?: Scale | undefined
}

/** Below this a cell is outlined, above it ringed: the ring would hide a small one. CSS pixels. */
const RING_PX = 2
/** Between a cell and what is written beside it, as the style has it. */
const TIP_GAP_PX = 8
const NAME_LINE_PX = 16
const NAME_FONT_PX = 11
/** A character of a name is less wide than this. */
const CHARACTER_PX = 6.5
/** A map with smaller cells needs its room for them. */
const SMALLEST_NAMED_PX = 8
/** The side of the mark of a cell, against that of the cell. */
const MARK = 0.4

/**
 * One cell each on a canvas. It is drawn when something changed, at most once a frame; 5,000 cells take 3 ms.
 * Where the values are texts, each text has a shade of its own.
 */
export class CellMap {
  readonly #options: CellMapOptions
  readonly #canvas: HTMLCanvasElement
  readonly #holder: HTMLElement
  #cells: Cells | undefined
  #layout: Layout = layoutCells([], 1, 1)
  #names: readonly string[] | null = null
  #pointed = -1
  #chosen = -1
  #shown: Shown = { chosen: null, isStale: false }
  #frame = 0

  constructor(options: CellMapOptions) {
    this.#options = options
    const { name, choose } = options
    const canvas = byId<HTMLCanvasElement>(`${name}-canvas`)
    this.#canvas = canvas
    this.#holder = byId(`${name}-canvas-holder`)
    new ResizeObserver(() => this.#place()).observe(this.#holder)
    canvas.addEventListener('pointermove', (event) => this.#point(cellAt(this.#layout, event.offsetX, event.offsetY)))
    canvas.addEventListener('pointerleave', () => this.#point(-1))
    canvas.addEventListener('click', (event) => {
      const index = cellAt(this.#layout, event.offsetX, event.offsetY)
      if (index >= 0) choose(this.#cells!.ids[index]!)
    })
    canvas.addEventListener('keydown', (event) => {
      if (this.#key(event.key)) event.preventDefault()
    })
    canvas.addEventListener('blur', () => this.#point(-1))
  }

  /** The range of the colours; null where values are texts, or none. */
  get scale(): Scale | null {
    const { values, stale } = this.#cells ?? { values: [] }
    const known = scaleOf(values.map((value, index) => (typeof value === 'number' && !stale?.[index] ? value : null)))
    return known === null ? null : (this.#shown.scale ?? known)
  }

  /** Whether the pointer, or the keys, are at a cell: then cells that change places would be missed. */
  get isPointedAt(): boolean {
    return this.#pointed >= 0
  }

  show(cells: Cells | undefined, shown: Shown): void {
    const isPlaced = sameGroups(cells, this.#cells)
    const pointed = this.#cells?.ids[this.#pointed]
    this.#cells = cells
    this.#shown = shown
    this.#chosen = shown.chosen === null ? -1 : (cells?.ids.indexOf(shown.chosen) ?? -1)
    if (!isPlaced) this.#place()
    // The same cell may be elsewhere now, or gone; or its value is another one.
    if (pointed !== undefined && cells?.ids[this.#pointed] !== pointed) this.#point(cells?.ids.indexOf(pointed) ?? -1)
    else this.#describe()
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
    const groups = this.#cells?.groups ?? []
    const counts = groups.map(({ count }) => count)
    const [width, height] = [Math.max(1, clientWidth), Math.max(1, clientHeight)]
    this.#layout = layoutCells(counts, width, height)
    this.#names = null
    if (this.#options.namesGroups && groups.length > 0) {
      const named = layoutCells(counts, width, height, NAME_LINE_PX)
      const room = Math.min(...named.blocks.map((block) => widthOf(named, block)))
      const names = groups.map(({ name }) => name)
      if (named.cell >= SMALLEST_NAMED_PX) this.#names = shortNames(names, Math.floor(room / CHARACTER_PX))
      if (this.#names !== null) this.#layout = named
    }
    const scale = devicePixelRatio
    this.#canvas.style.height = `${this.#layout.height}px`
    this.#canvas.width = Math.round(clientWidth * scale)
    this.#canvas.height = Math.round(this.#layout.height * scale)
    this.redraw()
  }

  #draw(): void {
    const context = this.#canvas.getContext('2d')!
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0)
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height)
    const cells = this.#cells
    if (cells === undefined) return
    const { cell, gap, blocks } = this.#layout
    const { palette } = this.#options
    const [unknown, mark] = [palette.colour('cell-unknown'), palette.colour('critical')]
    const colourOf = this.#colours(cells)
    const markSide = Math.max(3, Math.round(cell * MARK))
    for (const { first, count, columns, x, y } of blocks) {
      for (let place = 0; place < count; place++) {
        const index = first + place
        const [left, top] = [x + (place % columns) * (cell + gap), y + Math.floor(place / columns) * (cell + gap)]
        context.fillStyle = colourOf(index) ?? unknown
        context.fillRect(left, top, cell, cell)
        if (!cells.marked?.[index]) continue
        context.fillStyle = mark
        context.fillRect(left + cell - markSide, top, markSide, markSide)
      }
    }
    this.#drawNames(context)
    this.#ring(context, this.#chosen, 'text')
    this.#ring(context, this.#pointed, 'text-soft')
  }

  #drawNames(context: CanvasRenderingContext2D): void {
    if (this.#names === null) return
    context.font = `${NAME_FONT_PX}px ${getComputedStyle(this.#holder).fontFamily}`
    context.fillStyle = this.#options.palette.colour('text-faint')
    context.textBaseline = 'top'
    const { blocks, line } = this.#layout
    blocks.forEach(({ x, y }, index) => {
      context.fillText(this.#names![index] ?? '', x, y - line + 1)
    })
  }

  /** Gives the colour of a cell; undefined where its value is unknown. Values that are stale have no colour, only shades of grey. */
  #colours({ values, stale }: Cells): (index: number) => string | undefined {
    const { palette } = this.#options
    const shadesOf = (kind: string): string[] =>
      shadesBetween(palette.colour(`${kind}-low`), palette.colour(`${kind}-high`))
    const shades = shadesOf(this.#shown.isStale ? 'cell-stale' : 'cell')
    const grey = palette.colour('cell-stale')
    const { scale } = this
    const texts = scale === null ? textsOf(values) : []
    const shared = { low: 0, high: Math.max(1, texts.length - 1) }
    const byText = new Map(texts.map((text, index) => [text, shades[shadeOf(index, shared)]!]))
    return (index) => {
      if (stale?.[index]) return grey
      const value = values[index]
      if (typeof value === 'number') return scale === null ? undefined : shades[shadeOf(value, scale)]
      return typeof value === 'string' ? byText.get(value) : undefined
    }
  }

  #ring(context: CanvasRenderingContext2D, index: number, colour: string): void {
    if (index < 0) return
    const { x, y } = cornerOf(this.#layout, index)
    const { cell } = this.#layout
    context.strokeStyle = this.#options.palette.colour(colour)
    context.lineWidth = RING_PX
    context.strokeRect(x, y, cell, cell)
  }

  #point(index: number): void {
    if (index === this.#pointed) return
    this.#pointed = index
    setAttribute(this.#canvas, 'data-pointed', String(index >= 0))
    this.#describe()
    this.redraw()
  }

  /** Writes what is under the pointer beside it. */
  #describe(): void {
    const { name: map } = this.#options
    const tip = byId(`${map}-tip`)
    const cells = this.#cells
    tip.hidden = cells?.ids[this.#pointed] === undefined
    if (cells === undefined || tip.hidden) return
    const { name, text } = this.#options.describe(this.#pointed)
    const group = groupOf(cells, this.#pointed)
    tip.replaceChildren(
      element('strong', { text: name }),
      ...(group === '' ? [] : [element('span', { text: group })]),
      element('span', { class: 'number', text }),
    )
    this.#placeTip(tip)
    setText(byId(`${map}-pointed`), `${name} ${text}`)
  }

  /** Below the cell, or above it where there is no room, and never over the edge. */
  #placeTip(tip: HTMLElement): void {
    const holder = this.#holder
    const { x: left, y: top } = cornerOf(this.#layout, this.#pointed)
    const bottom = top + this.#layout.cell
    const [width, height] = [tip.offsetWidth, tip.offsetHeight + 2 * TIP_GAP_PX]
    const fits = bottom + height <= holder.scrollTop + holder.clientHeight || top < height
    const x = Math.max(0, Math.min(left, holder.clientWidth - width))
    tip.style.transform = `translate(${x}px, ${fits ? bottom : top - height}px)`
  }

  #key(key: string): boolean {
    const count = this.#cells?.ids.length ?? 0
    if (count === 0) return false
    if (key === 'Enter' && this.#pointed >= 0) {
      this.#options.choose(this.#cells!.ids[this.#pointed]!)
      return true
    }
    const { blocks } = this.#layout
    const columns = blocks[blockOf(blocks, Math.max(0, this.#pointed))]?.columns ?? 1
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

function sameGroups(a: Cells | undefined, b: Cells | undefined): boolean {
  const [one, other] = [a?.groups ?? [], b?.groups ?? []]
  return (
    one.length === other.length &&
    one.every(({ name, count }, index) => count === other[index]!.count && name === other[index]!.name)
  )
}
