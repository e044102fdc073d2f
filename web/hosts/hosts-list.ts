import { countOf, countText } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import { figureText, UNKNOWN } from '../../internal/text/figure.ts'
import type { HostRow } from '../shared/api.ts'
import { byId, element, setAttribute, setText } from '../shared/dom.ts'
import { levelOf, percentFigure } from '../shared/percent.ts'
import { VirtualList, type VirtualRow } from '../shared/virtual-list.ts'
import { busiestFirst, type HostsOrder, inOrderOf, matching } from './hosts-order.ts'

interface Row extends VirtualRow {
  readonly link: HTMLAnchorElement
  readonly value: HTMLElement
  readonly meter: HTMLElement
}

/** Fewer hosts are seen at a glance: their count and order need no words. */
const MANY_HOSTS = 20

/** The list of hosts: a column at the side. On a phone the picker opens it. */
export class HostsList {
  readonly #filter = byId<HTMLInputElement>('filter')
  readonly #none = byId('hosts-none')
  readonly #more = byId('hosts-more')
  readonly #picker = byId<HTMLButtonElement>('picker')
  readonly #sidebar = byId('sidebar')
  readonly #order = byId<HTMLButtonElement>('hosts-order')
  readonly #rows: VirtualList<HostRow, Row>
  readonly #linkTo: (host: string) => string
  readonly #choose: (host: string) => void
  #hosts: readonly HostRow[] = []
  /** Those that the filter lets through, in the order in which they are shown. */
  #shown: readonly HostRow[] = []
  #chosen: string | null = null
  /** The chosen host was in the list, and has been scrolled to. */
  #isRevealed = false
  /** Newer figures of one host than the list has. */
  #newest: HostRow | undefined

  constructor(options: { readonly linkTo: (host: string) => string; readonly choose: (host: string) => void }) {
    this.#linkTo = options.linkTo
    this.#choose = options.choose
    this.#rows = new VirtualList({
      ...{ scroller: byId('hosts-scroll'), list: byId<HTMLUListElement>('hosts') },
      keyOf: ({ host }) => host,
      make: (name) => this.#makeRow(name),
      write: (row, host) => this.#write(row, host),
    })
    this.#filter.addEventListener('input', () => {
      this.#rows.toTop()
      this.#show()
    })
    this.#order.addEventListener('click', () => {
      setAttribute(this.#order, 'aria-pressed', String(this.#orderedBy === 'name'))
      this.#rows.toTop()
      this.#show()
    })
    this.#filter.addEventListener('keydown', (event) => this.#filterKey(event))
    byId('hosts').addEventListener('keydown', (event) => this.#rowKey(event))
    this.#picker.addEventListener('click', () => this.#open(!this.#isOpen))
    document.addEventListener('click', ({ target }) => {
      if (target instanceof Node && !this.#sidebar.contains(target) && !this.#picker.contains(target)) this.#open(false)
    })
    this.#sidebar.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.#isOpen) return
      event.preventDefault()
      this.#open(false)
      this.#picker.focus()
    })
  }

  /**
   * Shows these hosts, and marks the chosen one.
   *
   * @param hosts in the order of the API
   * @param left how many hosts there are beside them
   */
  update(hosts: readonly HostRow[], chosen: string | null, left: number): void {
    if (chosen !== this.#chosen) this.#isRevealed = false
    this.#hosts = hosts
    this.#chosen = chosen
    // A row that moves away under the pointer would be missed by the click.
    this.#show(byId('hosts-scroll').matches(':hover, :focus-within'))
    this.#more.hidden = left <= 0
    if (left > 0) setText(this.#more, `and ${countText(left)} more, for which this list has no room`)
    this.#revealChosen()
    this.#writePicker()
  }

  /** Shows newer figures of one host of the list. */
  refresh(host: HostRow): void {
    this.#newest = host
    this.#rows.rewrite()
    if (host.host === this.#chosen) this.#writePicker()
  }

  /** The host `step` places below the chosen one, or above it for a negative step, among those that the filter shows. */
  neighbour(step: number): string | null {
    const shown = this.#shown
    if (shown.length === 0) return null
    const at = this.#chosen === null ? -1 : this.#rows.indexOf(this.#chosen)
    const next = at === -1 ? 0 : Math.min(Math.max(at + step, 0), shown.length - 1)
    return shown[next]!.host
  }

  focusFilter(): void {
    this.#open(true)
    this.#filter.focus()
    this.#filter.select()
  }

  get #orderedBy(): HostsOrder {
    return this.#order.getAttribute('aria-pressed') === 'true' ? 'cpu' : 'name'
  }

  get #isOpen(): boolean {
    return this.#picker.getAttribute('aria-expanded') === 'true'
  }

  #open(open: boolean): void {
    const opens = open && !this.#isOpen
    setAttribute(this.#picker, 'aria-expanded', String(open))
    this.#sidebar.toggleAttribute('data-open', open)
    if (!opens) return
    this.#isRevealed = false
    this.#revealChosen()
  }

  #show(keepsOrder = false): void {
    const filter = this.#filter.value.trim()
    const found = matching(this.#hosts, filter)
    const byCpu = this.#orderedBy === 'cpu'
    if (!byCpu) this.#shown = found
    else this.#shown = keepsOrder ? inOrderOf(found, this.#shown) : busiestFirst(found)
    this.#rows.show(this.#shown, !byCpu)
    this.#none.hidden = found.length > 0 || this.#hosts.length === 0
    setText(this.#none, `No host matches “${filter}”.`)
    byId('hosts-head').hidden = this.#hosts.length < MANY_HOSTS
    const stale = found.reduce((count, host) => count + Number(host.stale), 0)
    const count = filter === '' ? '' : `${countText(found.length)} of `
    const staleText = stale === 0 ? '' : ` · ${countText(stale)} stale`
    setText(byId('hosts-count'), `${count}${countOf(this.#hosts.length, 'host')}${staleText}`)
  }

  /** Scrolls to the chosen host, once: from then on the reader decides. */
  #revealChosen(): void {
    const index = this.#isRevealed || this.#chosen === null ? -1 : this.#rows.indexOf(this.#chosen)
    if (index === -1) return
    this.#isRevealed = true
    this.#rows.reveal(index)
  }

  #filterKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      this.#filter.value = ''
      this.#filter.dispatchEvent(new Event('input'))
      this.#filter.blur()
    } else if (event.key === 'Enter') {
      const first = this.#shown[0]
      if (first === undefined) return
      this.#choose(first.host)
      this.#open(false)
      this.#filter.blur()
    } else if (event.key === 'ArrowDown') {
      event.preventDefault()
      this.#rows.reveal(0)?.link.focus()
    }
  }

  /** The keys of a list move the focus, also to rows that are not in the document yet. */
  #rowKey(event: KeyboardEvent): void {
    const at = this.#rows.focused
    const { page } = this.#rows
    const last = this.#shown.length - 1
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last }[
      event.key
    ]
    if (to === undefined || at === -1 || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    this.#rows.reveal(Math.min(Math.max(to, 0), last))?.link.focus({ preventScroll: true })
  }

  #makeRow(name: string): Row {
    const value = element('span', { class: 'host-value' })
    const meter = element('span', { class: 'meter', 'aria-hidden': 'true' }, element('span', { class: 'meter-fill' }))
    const label = element('span', { class: 'host-name', text: name, title: name })
    const link = element('a', { href: this.#linkTo(name) }, label, meter, value)
    // A plain click stays on the page. The browser opens the link for a middle click, or one with a modifier key.
    link.addEventListener('click', (event) => {
      if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      this.#choose(name)
      this.#open(false)
    })
    return { item: element('li', {}, link), link, value, meter: meter.firstElementChild as HTMLElement }
  }

  #write(row: Row, known: HostRow): void {
    const host = this.#newestOf(known)
    setText(row.value, shownValue(host))
    setAttribute(row.item, 'data-level', host.stale ? 'stale' : levelNow(host))
    setAttribute(row.link, 'href', this.#linkTo(host.host))
    row.meter.style.width = `${host.stale ? 0 : Math.min(host.cpuPercent ?? 0, 100)}%`
    if (host.host === this.#chosen) setAttribute(row.link, 'aria-current', 'true')
    else row.link.removeAttribute('aria-current')
  }

  #newestOf(host: HostRow): HostRow {
    return this.#newest?.host === host.host ? this.#newest : host
  }

  #writePicker(): void {
    const host = this.#hosts.find(({ host }) => host === this.#chosen)
    setText(byId('picker-name'), this.#chosen ?? 'Choose a host')
    setText(byId('picker-value'), host === undefined ? '' : shownValue(this.#newestOf(host)))
    this.#picker.disabled = this.#hosts.length === 0
  }
}

function levelNow({ cpuPercent }: HostRow): string {
  return cpuPercent === null ? 'unknown' : levelOf(cpuPercent)
}

/** Of an exporter of GPUs alone nothing is known but these: no figure of its CPU, which is not 0 %. */
function gpusOf(host: HostRow): number {
  return host.gpu_count ?? 0
}

function shownValue(host: HostRow): string {
  if (host.stale) return `stale ${ageText(host.ageMs)}`
  if (host.cpuPercent === null) return gpusOf(host) > 0 ? countOf(gpusOf(host), 'GPU') : UNKNOWN
  const warns = levelOf(host.cpuPercent) === 'ok' ? '' : ' !'
  return `${figureText(percentFigure(host.cpuPercent))}${warns}`
}
