import { figureText, UNKNOWN } from '../../internal/text/figure.ts'
import type { FabricCells } from '../shared/api.ts'
import { byId, element } from '../shared/dom.ts'
import type { Comparison } from '../shared/url-state.ts'
import { metricFigure, rateFigure } from './metric-panel.ts'

/** As many as fit beside the map. */
const MOST = 15

/** The rows with the highest values, which an operator looks at first. Each opens its history. */
export class WorstList {
  readonly #list = byId('fabric-worst')

  constructor(choose: (id: string) => void) {
    this.#list.addEventListener('click', ({ target }) => {
      const id = (target as Element).closest('button')?.dataset.id
      if (id !== undefined) choose(id)
    })
  }

  show(cells: FabricCells | undefined, by: Comparison, chosen: string | null): void {
    const rows = highest(cells?.values ?? [], MOST).map((index) => {
      const id = cells!.ids[index]!
      const button = element(
        'button',
        { type: 'button', 'data-id': id, title: id, 'aria-pressed': String(id === chosen) },
        element('span', { class: 'name', text: id }),
        element('span', { class: 'number', text: valueText(cells!.values[index], by) }),
      )
      return element('li', {}, button)
    })
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.id
    const none = element('li', { class: 'none', text: 'no numbers' })
    this.#list.replaceChildren(...(rows.length === 0 ? [none] : rows))
    // The rows are new: the focus stays with the switch that had it.
    if (focused !== undefined) this.#list.querySelector<HTMLElement>(`[data-id="${CSS.escape(focused)}"]`)?.focus()
  }
}

export function valueText(value: number | string | null | undefined, by: Comparison): string {
  if (typeof value === 'number') return figureText((by === 'rate' ? rateFigure : metricFigure)(value))
  return value ?? UNKNOWN
}

/** The places of the highest numbers, the highest first; of equal ones, the first. */
export function highest(values: FabricCells['values'], most: number): number[] {
  const best: number[] = []
  values.forEach((value, index) => {
    if (typeof value !== 'number') return
    if (best.length === most && value <= (values[best.at(-1)!] as number)) return
    let place = best.length
    while (place > 0 && (values[best[place - 1]!] as number) < value) place--
    best.splice(place, 0, index)
    if (best.length > most) best.pop()
  })
  return best
}
