import { byId, setAttribute } from '../shared/dom.ts'
import { formatState, type PageState, VIEWS, type ViewName } from '../shared/url-state.ts'

/** The element of each view that the first link of the page skips to. */
const MAINS: Readonly<Record<ViewName, string>> = { hosts: 'view', fabric: 'fabric', gpus: 'gpus', queue: 'queue' }

/** The names of the views in the top bar. Each is a link, so it can be opened in a tab of its own. */
export class ViewLinks {
  readonly #skip = document.querySelector('.skip')!

  constructor(open: (view: ViewName) => void) {
    for (const name of VIEWS) {
      byId(`to-${name}`).addEventListener('click', (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return
        event.preventDefault()
        open(name)
      })
    }
  }

  /** Shows the view that the state names, and hides the others. */
  show(state: PageState): void {
    for (const name of VIEWS) {
      const link = byId(`to-${name}`)
      byId(`${name}-view`).hidden = name !== state.view
      if (name === state.view) setAttribute(link, 'aria-current', 'page')
      else link.removeAttribute('aria-current')
      setAttribute(link, 'href', formatState({ ...state, view: name }))
    }
    setAttribute(this.#skip, 'href', `#${MAINS[state.view]}`)
    byId('picker').hidden = state.view !== 'hosts'
    // Its lines are of the last two minutes.
    byId('ranges').hidden = state.view === 'queue'
  }
}
