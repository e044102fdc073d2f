import { isLive, type Period, RANGES } from './period.ts'

/** How the cells of a fabric are compared: by their value, or by how much a counter grew each second. */
export const COMPARISONS = ['value', 'rate'] as const
export type Comparison = (typeof COMPARISONS)[number]

/** What the view of fabrics shows. What is null the page chooses. */
export interface FabricState {
  readonly fabric: string | null
  readonly metric: string | null
  readonly by: Comparison
  /** The switch or port whose history is open. */
  readonly id: string | null
}

/** What GPUs are coloured by. */
export const GPU_METRIC_NAMES = ['utilization', 'memory', 'temperature', 'power'] as const
export type GpuMetricName = (typeof GPU_METRIC_NAMES)[number]

/** What the view of GPUs shows. */
export interface GpusState {
  readonly metric: GpuMetricName
  /** The hosts by name, or those with the worst GPU first. */
  readonly order: 'host' | 'worst'
  readonly filter: string
  /** The GPU whose charts are open. */
  readonly gpu: string | null
  /** The switch port beside them, and its fabric; null where the page chooses. */
  readonly port: string | null
  readonly fabric: string | null
}

/** The views of the page. A link without one shows the hosts. */
export const VIEWS = ['hosts', 'fabric', 'gpus', 'queue'] as const
export type ViewName = (typeof VIEWS)[number]

/** What the view of the queue shows. */
export interface QueueViewState {
  /** The partition whose groups are open, such as `telemetry:0`. */
  readonly open: string | null
}

/** What the page shows, as a link names it. Of the views, a link has the state of the one that it shows. */
export interface PageState {
  readonly view: ViewName
  readonly host: string | null
  readonly period: Period
  readonly fabric: FabricState
  readonly gpus: GpusState
  readonly queue: QueueViewState
}

export const FABRIC_VIEW: FabricState = { fabric: null, metric: null, by: 'value', id: null }
export const GPUS_VIEW: GpusState = {
  ...{ metric: 'utilization', order: 'host', filter: '', gpu: null, port: null, fabric: null },
}
export const QUEUE_VIEW: QueueViewState = { open: null }
const DEFAULT_PERIOD: Period = { range: '5m' }

export function parseState(query: string): PageState {
  const parameters = new URLSearchParams(query)
  const view = VIEWS.find((name) => name === parameters.get('view')) ?? 'hosts'
  return {
    view,
    host: parameters.get('host') || null,
    period: parsePeriod(parameters),
    fabric: view === 'fabric' ? parseFabric(parameters) : FABRIC_VIEW,
    gpus: view === 'gpus' ? parseGpus(parameters) : GPUS_VIEW,
    queue: view === 'queue' ? { open: parameters.get('open') || null } : QUEUE_VIEW,
  }
}

function parseFabric(parameters: URLSearchParams): FabricState {
  return {
    fabric: parameters.get('fabric') || null,
    metric: parameters.get('metric') || null,
    by: COMPARISONS.find((name) => name === parameters.get('by')) ?? 'value',
    id: parameters.get('id') || null,
  }
}

function parseGpus(parameters: URLSearchParams): GpusState {
  return {
    metric: GPU_METRIC_NAMES.find((name) => name === parameters.get('metric')) ?? GPUS_VIEW.metric,
    order: parameters.get('order') === 'worst' ? 'worst' : 'host',
    filter: parameters.get('filter') ?? '',
    gpu: parameters.get('gpu') || null,
    port: parameters.get('port') || null,
    fabric: parameters.get('fabric') || null,
  }
}

/** Only what is not the default, so that a link is short. */
function formatGpus(gpus: GpusState, parameters: URLSearchParams): void {
  for (const name of ['metric', 'order', 'filter', 'gpu', 'port', 'fabric'] as const) {
    const value = gpus[name]
    if (value !== null && value !== GPUS_VIEW[name]) parameters.set(name, value)
  }
}

function parsePeriod(parameters: URLSearchParams): Period {
  const fromMs = Date.parse(parameters.get('from') ?? '')
  const toMs = Date.parse(parameters.get('to') ?? '')
  if (fromMs < toMs) return { fromMs, toMs }
  const range = RANGES.find(({ name }) => name === parameters.get('range'))
  return range === undefined ? DEFAULT_PERIOD : { range: range.name }
}

/** The query of a link that shows the same. */
export function formatState({ view, host, period, fabric, gpus, queue }: PageState): string {
  const parameters = new URLSearchParams()
  if (view !== 'hosts') parameters.set('view', view)
  if (view === 'fabric') {
    for (const name of ['fabric', 'metric', 'id'] as const) {
      const value = fabric[name]
      if (value !== null) parameters.set(name, value)
    }
    if (fabric.by !== 'value') parameters.set('by', fabric.by)
  }
  if (view === 'gpus') formatGpus(gpus, parameters)
  if (view === 'queue' && queue.open !== null) parameters.set('open', queue.open)
  if (host !== null) parameters.set('host', host)
  if (isLive(period)) parameters.set('range', period.range)
  else {
    parameters.set('from', new Date(period.fromMs).toISOString())
    parameters.set('to', new Date(period.toMs).toISOString())
  }
  // A colon and a slash are allowed in a query (RFC 3986, section 3.4), and a time and a name read better with them.
  return `?${parameters.toString().replaceAll('%3A', ':').replaceAll('%2F', '/')}`
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
