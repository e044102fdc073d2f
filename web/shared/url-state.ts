import { isLive, type Period, RANGES } from './period.ts'

/** What the page shows, as a link names it. */
export interface PageState {
  readonly host: string | null
  readonly period: Period
}

const DEFAULT_PERIOD: Period = { range: '5m' }

export function parseState(query: string): PageState {
  const parameters = new URLSearchParams(query)
  return { host: parameters.get('host') || null, period: parsePeriod(parameters) }
}

function parsePeriod(parameters: URLSearchParams): Period {
  const fromMs = Date.parse(parameters.get('from') ?? '')
  const toMs = Date.parse(parameters.get('to') ?? '')
  if (fromMs < toMs) return { fromMs, toMs }
  const range = RANGES.find(({ name }) => name === parameters.get('range'))
  return range === undefined ? DEFAULT_PERIOD : { range: range.name }
}

/** The query of a link that shows the same. */
export function formatState({ host, period }: PageState): string {
  const parameters = new URLSearchParams()
  if (host !== null) parameters.set('host', host)
  if (isLive(period)) parameters.set('range', period.range)
  else {
    parameters.set('from', new Date(period.fromMs).toISOString())
    parameters.set('to', new Date(period.toMs).toISOString())
  }
  // A colon is allowed in a query (RFC 3986, section 3.4), and a time reads better with it.
  return `?${parameters.toString().replaceAll('%3A', ':')}`
}

/** Keeps the state in the address bar. `push` adds an entry to the history of the browser, `replace` changes the present entry. */
export class Address {
  #state = parseState(location.search)

  constructor(changed: () => void) {
    addEventListener('popstate', () => {
      this.#state = parseState(location.search)
      changed()
    })
  }

  get state(): PageState {
    return this.#state
  }

  push(state: PageState): void {
    this.#state = state
    history.pushState({ steps: this.#steps + 1 }, '', formatState(state))
  }

  replace(state: PageState): void {
    this.#state = state
    history.replaceState(history.state, '', formatState(state))
  }

  /** Goes one step back within the page. @returns false at the first state, such as a link that was just opened */
  back(): boolean {
    if (this.#steps === 0) return false
    history.back()
    return true
  }

  get #steps(): number {
    return history.state?.steps ?? 0
  }
}
