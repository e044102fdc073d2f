import { Card } from '../charts/card.ts'
import { loadHistory } from '../charts/history.ts'
import { metricPanel } from '../charts/metric-panel.ts'
import { PanelData } from '../charts/panel-data.ts'
import { slowBucket } from '../charts/slow-bucket.ts'
import type { Fabric } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'
import type { ServerClock } from '../shared/clock.ts'
import { byId } from '../shared/dom.ts'
import { isLive, lengthOf, type Period, type TimeWindow } from '../shared/period.ts'
import type { Palette } from '../shared/theme.ts'
import type { Comparison } from '../shared/url-state.ts'

export interface FabricHistoryOptions {
  readonly clock: ServerClock
  readonly palette: Palette
  readonly zoom: (window: TimeWindow) => void
  readonly back: () => void
}

interface Shown {
  readonly fabric: Fabric
  readonly id: string
  readonly metric: string
  readonly by: Comparison
  readonly period: Period
}

/** The history of one metric of the chosen switch or port. */
export class FabricHistory {
  readonly #options: FabricHistoryOptions
  readonly #root = byId('fabric-history')
  #data: PanelData | undefined
  #card: Card | undefined
  #shown: Shown | undefined
  #key = ''
  #abort = new AbortController()

  constructor(options: FabricHistoryOptions) {
    this.#options = options
  }

  /** Shows another history, or none. The same one is loaded again when its fabric has a new generation. */
  show(shown: Shown | undefined): void {
    this.#root.hidden = shown === undefined
    this.#shown = shown
    if (shown === undefined) {
      this.#abort.abort()
      this.#key = ''
      return
    }
    const { fabric, id, metric, by, period } = shown
    const key = JSON.stringify([fabric.fabric, fabric.subject, id, metric, by, period])
    if (key !== this.#key) this.#open(shown)
    else if (!isLive(period)) return
    this.#key = key
    void this.#load(shown)
  }

  draw(): void {
    const { period } = this.#shown ?? {}
    if (period === undefined) return
    this.#card?.drawNumbers(isLive(period))
    this.#card?.drawChart(this.#windowOf(period), this.#options.clock.now())
  }

  redraw(): void {
    this.#card?.redraw()
  }

  #open({ fabric, metric, by }: Shown): void {
    const { palette, zoom, back } = this.#options
    this.#data = new PanelData(metricPanel(fabric.subject, metric, by))
    this.#card ??= new Card(this.#data, palette, { zoom, zoomBack: back })
    this.#card.use(this.#data)
    byId('fabric-chart').replaceChildren(this.#card.root)
  }

  async #load({ fabric, id, period }: Shown): Promise<void> {
    this.#abort.abort()
    this.#abort = new AbortController()
    const { signal } = this.#abort
    const bucketMs = slowBucket(lengthOf(period), fabric.intervalMs)
    const resource = { of: `switches/${encodeURIComponent(id)}`, narrowed: { fabric: fabric.fabric } }
    try {
      const window = this.#windowOf(period)
      await loadHistory([this.#data!], {
        ...resource,
        ...{ window, bucketMs, signal },
        follows: false,
        loaded: () => this.draw(),
      })
    } catch (error) {
      // The card says that its history cannot be read.
      if (!signal.aborted && !(error instanceof ApiError)) throw error
    }
  }

  #windowOf(period: Period): TimeWindow {
    if (!isLive(period)) return period
    const toMs = Math.floor(this.#options.clock.now() / 1000) * 1000
    return { fromMs: toMs - lengthOf(period), toMs }
  }
}
