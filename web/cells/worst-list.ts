import { byId, element } from '../shared/dom.ts'
import type { Cells } from './cells.ts'

/** As many as fit beside a map. */
export const MOST_WORST = 15

/** A row of the list. */
export interface WorstRow {
  readonly id: string
  readonly name: string
  readonly text: string
}

/** The cells that an operator looks at first, beside their map. Each opens its history. */
export class WorstList {
  readonly #list: HTMLElement

  /** @param id of the element */
  constructor(id: string, choose: (id: string) => void) {
    this.#list = byId(id)
    this.#list.addEventListener('click', ({ target }) => {
      const chosen = (target as Element).closest('button')?.dataset.id
      if (chosen !== undefined) choose(chosen)
    })
  }

  show(rows: readonly WorstRow[], chosen: string | null): void {
    const items = rows.map(({ id, name, text }) => {
      const button = element(
        'button',
        { type: 'button', 'data-id': id, title: id, 'aria-pressed': String(id === chosen) },
        element('span', { class: 'name', text: name }),
        element('span', { class: 'number', text }),
      )
      return element('li', {}, button)
    })
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.id
    const none = element('li', { class: 'none', text: 'no numbers' })
    this.#list.replaceChildren(...(items.length === 0 ? [none] : items))
    // The rows are new: the focus stays with the one that had it.
    if (focused !== undefined) this.#list.querySelector<HTMLElement>(`[data-id="${CSS.escape(focused)}"]`)?.focus()
  }
}

/** The places of the highest numbers, the highest first; of equal ones, the first. */
export function highest(values: Cells['values'], most: number): number[] {
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
