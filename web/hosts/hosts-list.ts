import { countText } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import { figureText, UNKNOWN } from '../../internal/text/figure.ts'
import type { Host } from '../shared/api.ts'
import { byId, element, setAttribute, setText } from '../shared/dom.ts'
import { levelOf, percentFigure } from '../shared/percent.ts'

interface Row {
  readonly item: HTMLLIElement
  readonly link: HTMLAnchorElement
  readonly value: HTMLElement
  readonly meter: HTMLElement
}

/** The list of hosts: a column at the side. On a phone the picker opens it. */
export class HostsList {
  readonly #list = byId('hosts')
  readonly #filter = byId<HTMLInputElement>('filter')
  readonly #none = byId('hosts-none')
  readonly #more = byId('hosts-more')
  readonly #picker = byId<HTMLButtonElement>('picker')
  readonly #sidebar = byId('sidebar')
  readonly #rows = new Map<string, Row>()
  readonly #linkTo: (host: string) => string
  readonly #choose: (host: string) => void
  #hosts: readonly Host[] = []
  #chosen: string | null = null

  constructor(options: {
    readonly linkTo: (host: string) => string
    readonly choose: (host: string) => void
    readonly filtered: () => void
  }) {
    this.#linkTo = options.linkTo
    this.#choose = options.choose
    this.#filter.addEventListener('input', () => {
      this.#applyFilter()
      options.filtered()
    })
    this.#filter.addEventListener('keydown', (event) => this.#filterKey(event))
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

  /** Shows these hosts in the order of the API, and marks the chosen one. */
  update(hosts: readonly Host[], chosen: string | null): void {
    const isOther = chosen !== this.#chosen
    this.#hosts = hosts
    this.#chosen = chosen
    const names = new Set(hosts.map(({ host }) => host))
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue
      row.item.remove()
      this.#rows.delete(name)
    }
    hosts.forEach((host, index) => {
      const row = this.#rows.get(host.host) ?? this.#addRow(host.host)
      if (this.#list.children[index] !== row.item) this.#list.insertBefore(row.item, this.#list.children[index] ?? null)
      this.#write(row, host)
    })
    this.#applyFilter()
    this.#writePicker(hosts.find(({ host }) => host === chosen))
    if (isOther && chosen !== null) this.#rows.get(chosen)?.item.scrollIntoView({ block: 'nearest' })
  }

  /** Shows newer figures of one host of the list. */
  refresh(host: Host): void {
    const row = this.#rows.get(host.host)
    if (row === undefined) return
    this.#write(row, host)
    if (host.host === this.#chosen) this.#writePicker(host)
  }

  /** The host `step` places below the chosen one, or above it for a negative step, among those that the filter shows. */
  neighbour(step: number): string | null {
    const shown = this.#shown()
    if (shown.length === 0) return null
    const at = shown.findIndex(({ host }) => host === this.#chosen)
    const next = at === -1 ? 0 : Math.min(Math.max(at + step, 0), shown.length - 1)
    return shown[next]!.host
  }

  /** The text that names must contain; '' for all. */
  get filter(): string {
    return this.#filter.value.trim()
  }

  /** Says how many hosts match that the list has no room for. */
  writeMore(count: number): void {
    this.#more.hidden = count <= 0
    if (count > 0) setText(this.#more, `and ${countText(count)} more: filter by a part of the name`)
  }

  focusFilter(): void {
    this.#open(true)
    this.#filter.focus()
    this.#filter.select()
  }

  get #isOpen(): boolean {
    return this.#picker.getAttribute('aria-expanded') === 'true'
  }

  #open(open: boolean): void {
    setAttribute(this.#picker, 'aria-expanded', String(open))
    this.#sidebar.toggleAttribute('data-open', open)
  }

  #shown(): readonly Host[] {
    const wanted = this.filter.toLowerCase()
    return wanted === '' ? this.#hosts : this.#hosts.filter(({ host }) => host.toLowerCase().includes(wanted))
  }

  #applyFilter(): void {
    const shown = new Set(this.#shown().map(({ host }) => host))
    for (const [name, row] of this.#rows) row.item.hidden = !shown.has(name)
    this.#none.hidden = shown.size > 0 || this.#hosts.length === 0
    if (!this.#none.hidden) setText(this.#none, `No host matches “${this.filter}”.`)
  }

  #filterKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      this.#filter.value = ''
      this.#filter.dispatchEvent(new Event('input'))
      this.#filter.blur()
    } else if (event.key === 'Enter') {
      const first = this.#shown()[0]
      if (first === undefined) return
      this.#choose(first.host)
      this.#open(false)
      this.#filter.blur()
    }
  }

  #addRow(name: string): Row {
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
    const row = { item: element('li', {}, link), link, value, meter: meter.firstElementChild as HTMLElement }
    this.#rows.set(name, row)
    return row
  }

  #write(row: Row, host: Host): void {
    setText(row.value, shownValue(host))
    setAttribute(row.item, 'data-level', host.stale ? 'stale' : levelOf(host.cpuPercent ?? 0))
    setAttribute(row.link, 'href', this.#linkTo(host.host))
    row.meter.style.width = `${host.stale ? 0 : Math.min(host.cpuPercent ?? 0, 100)}%`
    if (host.host === this.#chosen) setAttribute(row.link, 'aria-current', 'true')
    else row.link.removeAttribute('aria-current')
  }

  #writePicker(host: Host | undefined): void {
    setText(byId('picker-name'), this.#chosen ?? 'Choose a host')
    setText(byId('picker-value'), host === undefined ? '' : shownValue(host))
    this.#picker.disabled = this.#hosts.length === 0
  }
}

function shownValue(host: Host): string {
  if (host.stale) return `stale ${ageText(host.ageMs)}`
  if (host.cpuPercent === null) return UNKNOWN
  const warns = levelOf(host.cpuPercent) === 'ok' ? '' : ' !'
  return `${figureText(percentFigure(host.cpuPercent))}${warns}`
}
