import { countText } from '../../internal/text/count.ts'
import { element } from '../../web/shared/dom.ts'
import type { FigureCell, FigureRow, Group } from './data.ts'

/** The colour of a pass, everywhere on the page. The seventh pass has the colour of the first. */
export function passColour(index: number): string {
  return `pass-${(index % 6) + 1}`
}

/** A dot in the colour of a pass. */
export function passDot(index: number): HTMLElement {
  const made = element('i', { class: 'dot', 'aria-hidden': 'true' })
  made.style.background = `var(--${passColour(index)})`
  return made
}

/** A card for each pass, with its chief figures. */
export function passCards({ passes, figures }: Group): HTMLElement {
  const glances = figures.flatMap(({ rows }) => rows).filter(({ glance }) => glance !== null)
  const cards = passes.map(({ name, samplesPerSecond, balance }, index) => {
    const number = element('p', { class: 'figure' })
    number.append(
      element('span', { class: 'number', text: countText(samplesPerSecond) }),
      element('span', { class: 'unit', text: 'samples/s' }),
    )
    const stats = element('dl')
    for (const { glance, unit, cells } of glances) {
      const value = element('dd', {}, element('b', { text: cells[index]!.text }), ` ${unit}`)
      stats.append(element('div', {}, element('dt', { text: glance! }), value))
    }
    return element(
      'li',
      { class: 'card' },
      element('h3', {}, passDot(index), name),
      number,
      stats,
      element('p', { class: 'balance', 'data-level': balance.holds ? 'ok' : 'critical', text: balance.words }),
    )
  })
  return element('ul', { class: 'passes' }, ...cards)
}

const FIRST_COLUMN_PX = 170
const COLUMN_PX = 140

/** A table of all figures, one column a pass. */
export function figuresTable({ condition, passes, figures }: Group): HTMLElement {
  const head = passes.map(({ name }, index) => element('th', { scope: 'col' }, passDot(index), name))
  const table = element('table', {}, element('thead', {}, element('tr', {}, element('td'), ...head)))
  for (const { name, what, rows } of figures) {
    const title = element('th', { scope: 'rowgroup', colspan: String(passes.length + 1) })
    title.append(element('span', { class: 'group', text: name }), element('span', { class: 'what', text: what }))
    table.append(element('tbody', {}, element('tr', {}, title), ...rows.map(rowOf)))
  }
  // A narrow table would break its numbers, so the table scrolls. A scrolling element must take the focus of the keyboard.
  table.style.minWidth = `${FIRST_COLUMN_PX + passes.length * COLUMN_PX}px`
  const holder = element('section', { class: 'card table-holder', 'aria-label': `Figures, ${condition}` }, table)
  holder.tabIndex = 0
  return holder
}

function rowOf({ name, unit, cells }: FigureRow): HTMLElement {
  const title = element('th', { scope: 'row' }, name)
  if (unit !== '') title.append(element('span', { class: 'unit', text: ` ${unit}` }))
  const most = Math.max(...cells.map(({ value }) => value ?? 0))
  const isCompared = cells.length > 1
  return element(
    'tr',
    {},
    title,
    ...cells.map((cell, index) => cellOf(cell, isCompared ? barOf(cell, index, most) : undefined)),
  )
}

/** @param most the largest value of the row: its bar is full */
function barOf({ value }: FigureCell, index: number, most: number): HTMLElement {
  const bar = element('i', { class: 'bar', 'aria-hidden': 'true' })
  bar.style.width = `${((value ?? 0) / (most || 1)) * 100}%`
  bar.style.background = `var(--${passColour(index)})`
  return element('span', { class: 'bar-holder' }, bar)
}

/** @param bar undefined when the cell is not compared with others */
function cellOf({ text, ratio }: FigureCell, bar: HTMLElement | undefined): HTMLElement {
  const number = element('span', { class: 'number', text })
  const parts = bar === undefined ? [number] : [bar, number, element('span', { class: 'ratio', text: ratio })]
  return element('td', {}, element('div', { class: 'cell' }, ...parts))
}
