/** The ranges of the top bar, in the order of the keys 1 to 5. */
export const RANGES = [
  { name: '5m', ms: 300_000 },
  { name: '1h', ms: 3_600_000 },
  { name: '6h', ms: 21_600_000 },
  { name: '24h', ms: 86_400_000 },
  { name: '7d', ms: 604_800_000 },
] as const

type RangeName = (typeof RANGES)[number]['name']

/** What is shown of time: a range that ends now and slides, or a piece of the past that stands still (ms since the epoch). */
export type Period = { readonly range: RangeName } | { readonly fromMs: number; readonly toMs: number }

/** What a link holds. */
export interface View {
  readonly host: string | null
  readonly period: Period
}

const DEFAULT_PERIOD: Period = { range: '5m' }

export function parseView(query: string): View {
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

/** The query of a link that shows the same view. */
export function formatView({ host, period }: View): string {
  const parameters = new URLSearchParams()
  if (host !== null) parameters.set('host', host)
  if ('range' in period) parameters.set('range', period.range)
  else {
    parameters.set('from', new Date(period.fromMs).toISOString())
    parameters.set('to', new Date(period.toMs).toISOString())
  }
  // A colon is allowed in a query (RFC 3986, section 3.4), and a time reads better with it.
  return `?${parameters.toString().replaceAll('%3A', ':')}`
}

/** The length of a period, ms. */
export function lengthOf(period: Period): number {
  if ('range' in period) return RANGES.find(({ name }) => name === period.range)!.ms
  return period.toMs - period.fromMs
}

/** Keeps the view in the address bar: `push` makes an entry that the back button leads to, `replace` corrects the present one. */
export class Address {
  #view = parseView(location.search)

  constructor(changed: () => void) {
    addEventListener('popstate', () => {
      this.#view = parseView(location.search)
      changed()
    })
  }

  get view(): View {
    return this.#view
  }

  push(view: View): void {
    this.#view = view
    history.pushState({ steps: this.#steps + 1 }, '', formatView(view))
  }

  replace(view: View): void {
    this.#view = view
    history.replaceState(history.state, '', formatView(view))
  }

  /** One step back within the page; false when this is the first view, as after opening a link. */
  back(): boolean {
    if (this.#steps === 0) return false
    history.back()
    return true
  }

  get #steps(): number {
    return history.state?.steps ?? 0
  }
}
