import { element } from '../../web/shared/dom.ts'
import type { Flame, Frame } from './data.ts'
import { type Layout, layOut } from './flame-layout.ts'
import { shareText } from './units.ts'

/** The smallest share of the shown width that gets a bar. A narrower one is less than a pixel on a wide screen. */
const MIN_SHARE = 0.0006
const ROW_PX = 20

/** Called when the reader points at a function or focuses it, with its total and own value; undefined is the whole profile. */
export type PointAt = (frame: Frame | undefined, value: number, own: number) => void

/**
 * A flame graph that hangs from the top. A click or Enter makes a function as wide as the graph, Escape goes back to its caller,
 * and the arrows go from function to function.
 */
export class FlameGraph {
  readonly root: HTMLElement
  readonly layout: Layout
  readonly #flame: Flame
  readonly #pointAt: PointAt
  /** The bars on the screen, by node; −1 is the whole profile. */
  readonly #bars = new Map<number, HTMLButtonElement>()
  #zoomed = -1
  #focused = -1
  #found: ReadonlySet<number> = new Set()

  constructor(flame: Flame, label: string, pointAt: PointAt) {
    this.#flame = flame
    this.#pointAt = pointAt
    this.layout = layOut(flame)
    this.root = element('div', { class: 'flame', role: 'group', 'aria-label': label })
    this.root.style.height = `${(this.layout.deepest + 2) * ROW_PX}px`
    this.root.addEventListener('click', ({ target }) => this.#withNode(target, (node) => this.zoom(node)))
    this.root.addEventListener('pointerover', ({ target }) => this.#withNode(target, (node) => this.#point(node)))
    this.root.addEventListener('pointerleave', () => this.#point(this.#zoomed))
    this.root.addEventListener('focusin', ({ target }) => this.#withNode(target, (node) => this.#focus(node)))
    this.root.addEventListener('keydown', (event) => this.#key(event))
    this.#draw()
  }

  /** @param node −1 for the whole profile */
  zoom(node: number): void {
    const hadFocus = this.root.contains(document.activeElement)
    this.#zoomed = node
    this.#focused = node
    this.#draw()
    this.#point(node)
    if (hadFocus) this.#bars.get(node)!.focus()
  }

  /** Marks these frames and fades the others. An empty set removes the marks. */
  mark(found: ReadonlySet<number>): void {
    this.#found = found
    this.root.classList.toggle('searched', found.size > 0)
    for (const [node, bar] of this.#bars) bar.classList.toggle('found', found.has(this.#flame.nodes.frame[node]!))
  }

  #draw(): void {
    const { start } = this.layout
    const from = this.#zoomed < 0 ? 0 : start[this.#zoomed]!
    const width = this.#valueOf(this.#zoomed)
    this.#bars.clear()
    this.#addBar(-1, 0, 1)
    for (const node of this.#flame.nodes.value.keys()) {
      const value = this.#valueOf(node)
      const isAround = start[node]! <= from && start[node]! + value >= from + width
      if (isAround && this.#depthOf(node) <= this.#depthOf(this.#zoomed)) this.#addBar(node, 0, 1)
      else if (start[node]! >= from && start[node]! + value <= from + width && value / width >= MIN_SHARE) {
        this.#addBar(node, (start[node]! - from) / width, value / width)
      }
    }
    this.root.replaceChildren(...this.#bars.values())
    this.#bars.get(this.#focused)!.tabIndex = 0
    this.mark(this.#found)
  }

  #addBar(node: number, left: number, width: number): void {
    const frame = this.#frameOf(node)
    const share = shareText(this.#valueOf(node) / this.layout.total)
    const name = frame?.name ?? 'all'
    const place = frame === undefined || frame.file === '' ? '' : `, ${placeText(frame)}`
    const bar = element(
      'button',
      { type: 'button', class: frame?.origin ?? 'all', 'aria-label': `${name}${place}, ${share}` },
      name,
    )
    bar.tabIndex = -1
    bar.dataset.node = String(node)
    bar.classList.toggle('around', this.#depthOf(node) < this.#depthOf(this.#zoomed))
    bar.style.left = `${left * 100}%`
    bar.style.width = `${width * 100}%`
    bar.style.top = `${(this.#depthOf(node) + 1) * ROW_PX}px`
    this.#bars.set(node, bar)
  }

  #key(event: KeyboardEvent): void {
    const towards = NEIGHBOURS[event.key]
    if (event.key === 'Escape' && this.#zoomed >= 0) this.zoom(this.#callerOf(this.#zoomed))
    else if (towards !== undefined) this.#bars.get(this.#neighbour(towards))!.focus()
    else return
    event.preventDefault()
  }

  #neighbour(towards: 'caller' | 'callee' | -1 | 1): number {
    const node = this.#focused
    if (towards === 'caller') return this.#callerOf(node)
    const shown = [...this.#bars.keys()]
    if (towards === 'callee') return shown.find((other) => other >= 0 && this.#callerOf(other) === node) ?? node
    const row = shown.filter((other) => this.#depthOf(other) === this.#depthOf(node))
    return row[row.indexOf(node) + towards] ?? node
  }

  #focus(node: number): void {
    this.#bars.get(this.#focused)!.tabIndex = -1
    this.#bars.get(node)!.tabIndex = 0
    this.#focused = node
    this.#point(node)
  }

  #point(node: number): void {
    this.#pointAt(this.#frameOf(node), this.#valueOf(node), node < 0 ? 0 : this.layout.own[node]!)
  }

  #withNode(target: EventTarget | null, act: (node: number) => void): void {
    const bar = (target as Element).closest('button')
    if (bar !== null) act(Number(bar.dataset.node))
  }

  #frameOf(node: number): Frame | undefined {
    return node < 0 ? undefined : this.#flame.frames[this.#flame.nodes.frame[node]!]
  }

  #valueOf(node: number): number {
    return node < 0 ? this.layout.total : this.#flame.nodes.value[node]!
  }

  #depthOf(node: number): number {
    return node < 0 ? -1 : this.#flame.nodes.depth[node]!
  }

  #callerOf(node: number): number {
    return node < 0 ? -1 : this.layout.parent[node]!
  }
}

const NEIGHBOURS: Readonly<Record<string, 'caller' | 'callee' | -1 | 1>> = {
  ArrowUp: 'caller',
  ArrowDown: 'callee',
  ArrowLeft: -1,
  ArrowRight: 1,
}

/** `internal/codec/packed.ts:31`; code of V8 has no file. */
export function placeText({ file, line }: Frame): string {
  return line === 0 ? file : `${file}:${line}`
}
