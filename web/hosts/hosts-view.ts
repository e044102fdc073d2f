import type { ApiError, Host } from '../shared/api.ts'
import type { ServerClock } from '../shared/clock.ts'
import type { Heartbeat } from '../shared/heartbeat.ts'
import { isLive, type Period } from '../shared/period.ts'
import type { StreamState } from '../shared/stream.ts'
import type { Palette } from '../shared/theme.ts'
import { formatState, type PageState } from '../shared/url-state.ts'
import { HostFeed } from './host-feed.ts'
import { HostView } from './host-view.ts'
import { HostsList } from './hosts-list.ts'

// A chart of long buckets changes by less than a pixel a second. It is drawn anew after this time at the latest.
const LONGEST_REDRAW_MS = 10_000

export interface HostsViewOptions {
  readonly clock: ServerClock
  readonly palette: Palette
  readonly heartbeat: Heartbeat
  /** Shows another host or period, as a new state of the page. */
  readonly go: (host: string | null, period: Period) => void
  /** Leaves a zoom. */
  readonly back: () => void
  /** The filter of the list has changed. */
  readonly filtered: () => void
}

/** The view of the hosts: their list, and the charts of the one that is chosen. */
export class HostsView {
  readonly #clock: ServerClock
  readonly #list: HostsList
  readonly #view: HostView
  readonly #feed: HostFeed
  #hosts: readonly Host[] = []
  #isPolled = false
  #state: PageState
  /** The host that the charts show. It stays when the page goes back to a state that names none. */
  #shownHost: string | null = null
  /** The CPU use of the shown host when its numbers were last drawn. */
  #drawnCpu: number | null = null
  #chartsDrawnAtMs = -Infinity

  constructor(state: PageState, { clock, palette, heartbeat, go, back, filtered }: HostsViewOptions) {
    this.#state = state
    this.#clock = clock
    this.#list = new HostsList({
      linkTo: (host) => formatState({ host, period: this.#state.period }),
      choose: (host) => go(host, this.#state.period),
      filtered,
    })
    this.#feed = new HostFeed(clock, () => this.#view.plotWidth, {
      changed: () => heartbeat.nudge(),
      ready: () => heartbeat.beat(),
      loaded: () => this.#drawCharts(),
    })
    const zoom = (window: Period): void => go(this.#state.host, window)
    this.#view = new HostView(this.#feed.data, { palette, zoom, back })
  }

  get hosts(): readonly Host[] {
    return this.#hosts
  }

  /** Whether the API has named its hosts at least once. */
  get isPolled(): boolean {
    return this.#isPolled
  }

  /** The text that the names in the list contain; '' for all. */
  get filter(): string {
    return this.#list.filter
  }

  get shownHost(): string | null {
    return this.#shownHost
  }

  /** The shown host as the API knows it. */
  get host(): Host | undefined {
    return this.#hosts.find(({ host }) => host === this.#shownHost)
  }

  /** The host for a page that is opened without one: the first that is alive. */
  get firstHost(): string | null {
    return (this.#hosts.find(({ stale }) => !stale) ?? this.#hosts[0])?.host ?? null
  }

  get stream(): StreamState | 'no host' {
    return this.#shownHost === null ? 'no host' : this.#feed.streamState
  }

  /** When the newest live sample arrived, ms by the clock of the server; 0 before the first. */
  get newestAtMs(): number {
    return this.#feed.data.newestAtMs
  }

  get loadError(): ApiError | null {
    return this.#feed.loadError
  }

  get isEmpty(): boolean {
    return this.#feed.data.isEmpty
  }

  /** Shows the host and the period of a state of the page. */
  show(state: PageState): void {
    const { host, period } = state
    this.#state = state
    this.#view.writePeriod(isLive(period) ? null : period)
    if (host !== null && host !== this.#shownHost) {
      this.#shownHost = host
      this.#drawnCpu = null
      this.#feed.follow(host)
      this.#view.show(host, this.#feed.data)
    }
    this.#list.update(this.#withLiveCpu(this.#hosts), host)
    this.#load()
  }

  /** Takes the API's list of hosts, in its order. */
  takeHosts(hosts: readonly Host[], total: number): void {
    const isFirst = !this.#isPolled
    this.#isPolled = true
    this.#hosts = hosts
    if (isFirst) this.#load()
    if (this.host !== undefined) this.#feed.checkStream(this.host.lastSeenAt / 1000)
    this.#list.update(this.#withLiveCpu(hosts), this.#state.host)
    this.#list.writeMore(total - hosts.length)
  }

  /** The API's answers come every two seconds. The shown host has the number of its card. */
  #withLiveCpu(hosts: readonly Host[]): readonly Host[] {
    const cpuPercent = this.#drawnCpu
    if (cpuPercent === null) return hosts
    return hosts.map((host) => (host.host === this.#shownHost && !host.stale ? { ...host, cpuPercent } : host))
  }

  /** History waits for the first list of hosts, because that brings the clock of the server. */
  #load(): void {
    if (this.#state.host === null || !this.#isPolled) this.#feed.cancelLoad()
    else this.#feed.load(this.#state.period)
  }

  open(): void {
    this.#feed.open()
  }

  close(): void {
    this.#feed.close()
  }

  draw(nowMs: number): void {
    const isShownLive = isLive(this.#state.period)
    const { host } = this
    const seenAtMs = Math.max(this.newestAtMs, (host?.lastSeenAt ?? 0) / 1000)
    this.#view.writeHeader(host, seenAtMs, nowMs)
    this.#view.drawNumbers(isShownLive)
    this.#drawnCpu = this.#feed.data.cpuPercent
    if (host !== undefined) for (const shown of this.#withLiveCpu([host])) this.#list.refresh(shown)
    const redrawMs = Math.min(this.#feed.bucketMs / 4, LONGEST_REDRAW_MS)
    const isDue = performance.now() - this.#chartsDrawnAtMs >= redrawMs || this.#view.hasFirstValues
    if (isShownLive && isDue) this.#drawCharts()
  }

  #drawCharts(): void {
    this.#chartsDrawnAtMs = performance.now()
    this.#view.drawCharts(this.#feed.windowOf(this.#state.period), this.#clock.now())
  }

  /** Draws the charts again, after the theme changed. */
  redraw(): void {
    this.#view.redraw()
  }

  focusFilter(): void {
    this.#list.focusFilter()
  }

  /** The host `step` places below the chosen one in the list, or above it for a negative step. */
  neighbour(step: number): string | null {
    return this.#list.neighbour(step)
  }
}
