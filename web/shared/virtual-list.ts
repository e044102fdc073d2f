import { setAttribute } from './dom.ts'

/** So many rows are all in the document, where the search of the browser finds them too. */
const ALL_ROWS = 200
/** Rows above and below those in sight, so that a scroll of some rows shows no gap before it is drawn. */
const SPARE_ROWS = 10

export interface VirtualRow {
  readonly item: HTMLLIElement
}

export interface VirtualListOptions<Item, Row extends VirtualRow> {
  /** Scrolls; its only child in the flow is the list. */
  readonly scroller: HTMLElement
  /** Its style names the height of its rows in px: `--row-height`. */
  readonly list: HTMLUListElement
  /** Different for each item; the row of an item stays the same element. */
  readonly keyOf: (item: Item) => string
  readonly make: (key: string) => Row
  readonly write: (row: Row, item: Item) => void
}

/**
 * A list of rows of one height, of which only those in sight are in the document: 10,000 hosts would be 60,000 elements,
 * and each update a layout of all of them. Each row says its place in the whole list, and the one with the focus stays
 * where it is scrolled out of sight.
 */
export class VirtualList<Item, Row extends VirtualRow> {
  readonly #options: VirtualListOptions<Item, Row>
  readonly #rows = new Map<string, Row>()
  #items: readonly Item[] = []
  #rowHeight = 0

  constructor(options: VirtualListOptions<Item, Row>) {
    this.#options = options
    const { scroller } = options
    scroller.addEventListener('scroll', () => this.#draw(), { passive: true })
    // It has no height while it is not shown, and rows are higher on a phone.
    new ResizeObserver(() => this.#measure()).observe(scroller)
    this.#measure()
  }

  /** @param keepsPlace whether what is at the top of the view stays there, though rows came or went above it */
  show(items: readonly Item[], keepsPlace: boolean): void {
    const { scroller, keyOf } = this.#options
    const top = keepsPlace ? this.#items[this.#indexAt(scroller.scrollTop)] : undefined
    const within = scroller.scrollTop % this.#rowHeight
    this.#items = items
    this.#writeHeight()
    if (top !== undefined && scroller.scrollTop > 0) {
      const index = this.indexOf(keyOf(top))
      if (index !== -1) scroller.scrollTop = index * this.#rowHeight + within
    }
    this.#draw()
  }

  /** Writes the rows in sight again. */
  rewrite(): void {
    this.#draw()
  }

  toTop(): void {
    this.#options.scroller.scrollTop = 0
  }

  indexOf(key: string): number {
    return this.#items.findIndex((item) => this.#options.keyOf(item) === key)
  }

  /** Scrolls as little as it takes to bring a row into sight. @returns the row; undefined where there is none of this index */
  reveal(index: number): Row | undefined {
    const { scroller, keyOf } = this.#options
    const item = this.#items[index]
    if (item === undefined) return undefined
    const top = index * this.#rowHeight
    const bottom = top + this.#rowHeight - scroller.clientHeight + this.#padding
    if (scroller.scrollTop > top) scroller.scrollTop = top
    else if (scroller.scrollTop < bottom) scroller.scrollTop = bottom
    this.#draw()
    return this.#rows.get(keyOf(item))
  }

  /** The place of the row that has the focus; -1 where none has. */
  get focused(): number {
    for (const [key, { item }] of this.#rows) if (item.contains(document.activeElement)) return this.indexOf(key)
    return -1
  }

  /** How many rows are in sight. */
  get page(): number {
    return Math.max(1, Math.floor(this.#options.scroller.clientHeight / this.#rowHeight) - 1)
  }

  get #padding(): number {
    const { scroller, list } = this.#options
    return Math.max(0, scroller.scrollHeight - list.clientHeight)
  }

  #measure(): void {
    this.#rowHeight = Number.parseFloat(getComputedStyle(this.#options.list).getPropertyValue('--row-height'))
    this.#writeHeight()
    this.#draw()
  }

  #writeHeight(): void {
    this.#options.list.style.height = `${this.#items.length * this.#rowHeight}px`
  }

  #indexAt(scrollTop: number): number {
    return Math.floor(scrollTop / this.#rowHeight)
  }

  /** The places of the rows that shall be in the document, in order. */
  #wanted(): number[] {
    const { scroller } = this.#options
    const count = this.#items.length
    const all = count <= ALL_ROWS
    const first = this.#indexAt(scroller.scrollTop)
    const from = all ? 0 : Math.max(0, Math.min(first, count) - SPARE_ROWS)
    const to = all ? count : Math.min(count, first + this.page + 2 + SPARE_ROWS)
    const wanted = Array.from({ length: Math.max(0, to - from) }, (_, n) => from + n)
    const { focused } = this
    if (focused !== -1 && focused < from) wanted.unshift(focused)
    if (focused >= to) wanted.push(focused)
    return wanted
  }

  #draw(): void {
    const { list, keyOf, make, write } = this.#options
    const wanted = this.#wanted()
    const keys = new Set(wanted.map((index) => keyOf(this.#items[index]!)))
    const focus = document.activeElement
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue
      row.item.remove()
      this.#rows.delete(key)
    }
    let next = list.firstElementChild
    for (const index of wanted) {
      const item = this.#items[index]!
      const key = keyOf(item)
      let row = this.#rows.get(key)
      if (row === undefined) {
        row = make(key)
        this.#rows.set(key, row)
      }
      row.item.style.top = `${index * this.#rowHeight}px`
      setAttribute(row.item, 'aria-posinset', `${index + 1}`)
      setAttribute(row.item, 'aria-setsize', `${this.#items.length}`)
      write(row, item)
      if (row.item === next) next = next.nextElementSibling
      else list.insertBefore(row.item, next)
    }
    // An element that is moved loses the focus.
    if (focus instanceof HTMLElement && focus.isConnected && focus !== document.activeElement && list.contains(focus))
      focus.focus({ preventScroll: true })
  }
}
