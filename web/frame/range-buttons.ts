import { byId, setAttribute } from '../shared/dom.ts'
import { isLive, type Period, RANGES, type RangeName } from '../shared/period.ts'

/** The buttons of the top bar that choose a range. */
export class RangeButtons {
  readonly #buttons: readonly HTMLButtonElement[] = [...byId('ranges').querySelectorAll('button')]

  constructor(choose: (range: RangeName) => void) {
    for (const button of this.#buttons) {
      const { name } = RANGES.find(({ name }) => name === button.dataset.range)!
      button.addEventListener('click', () => choose(name))
    }
  }

  /** Presses the button of the period's range; none for a window of the past. */
  show(period: Period): void {
    for (const button of this.#buttons) {
      const isChosen = isLive(period) && period.range === button.dataset.range
      setAttribute(button, 'aria-pressed', String(isChosen))
    }
  }
}
