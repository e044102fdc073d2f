import { byId, setAttribute } from '../shared/dom.ts'
import { FABRIC_VIEW, formatState, type PageState } from '../shared/url-state.ts'

const VIEWS = ['hosts', 'fabric'] as const
type ViewName = (typeof VIEWS)[number]

/** The names of the views in the top bar. Each is a link, so it can be opened in a tab of its own. */
export class ViewLinks {
  readonly #skip = document.querySelector('.skip')!

  constructor(open: Readonly<Record<ViewName, () => void>>) {
    for (const name of VIEWS) {
      byId(`to-${name}`).addEventListener('click', (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return
        event.preventDefault()
        open[name]()
      })
    }
  }

  /** Shows the view that the state names, and hides the others. */
  show(state: PageState): void {
    const shown: ViewName = state.fabric === null ? 'hosts' : 'fabric'
    for (const name of VIEWS) {
      const link = byId(`to-${name}`)
      byId(`${name}-view`).hidden = name !== shown
      if (name === shown) setAttribute(link, 'aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
    setAttribute(byId('to-hosts'), 'href', formatState({ ...state, fabric: null }))
    setAttribute(byId('to-fabric'), 'href', formatState({ ...state, fabric: state.fabric ?? FABRIC_VIEW }))
    setAttribute(this.#skip, 'href', shown === 'hosts' ? '#view' : '#fabric')
    byId('picker').hidden = shown !== 'hosts'
  }
}
