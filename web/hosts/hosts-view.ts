import { Feed } from '../charts/feed.ts'
import { hostSubject } from '../charts/host-subject.ts'
import { busyPercent, CPU } from '../charts/machine-panels.ts'
import type { Host, HostRow } from '../shared/api.ts'
import type { ApiError } from '../shared/api-error.ts'
import type { ServerClock } from '../shared/clock.ts'
import type { Heartbeat } from '../shared/heartbeat.ts'
import { isLive, type Period } from '../shared/period.ts'
import type { StreamState } from '../shared/stream.ts'
import type { Palette } from '../shared/theme.ts'
import { formatState, type PageState } from '../shared/url-state.ts'
import { HostView } from './host-view.ts'
import { HostsList } from './hosts-list.ts'
import { PANELS } from './panels.ts'

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
  /** Another host is shown. @param known whether the page has all its figures */
  readonly followed: (host: string, known: boolean) => void
}

/** The view of the hosts: their list, and the charts of the one that is chosen. */
export class HostsView {
  readonly #clock: ServerClock
  readonly #list: HostsList
  readonly #view: HostView
  readonly #feed: Feed
  readonly #followed: HostsViewOptions['followed']
  #hosts: ReadonlyArray<Host | HostRow> = []
  /** How many hosts there are beside these. */
  #left = 0
  /** All figures of the shown host, where the list does not have them. */
  #described: Host | undefined
  #isPolled = false
  #isOpen = false
  #state: PageState
  /** The host that the charts show. It stays when the page goes back to a state that names none. */
  #shownHost: string | null = null
  /** The CPU use of the shown host when its numbers were last drawn. */
  #drawnCpu: number | null = null
  #chartsDrawnAtMs = -Infinity

  constructor(state: PageState, { clock, palette, heartbeat, go, back, followed }: HostsViewOptions) {
    this.#followed = followed
    this.#state = state
    this.#clock = clock
    this.#list = new HostsList({
      linkTo: (host) => formatState({ ...this.#state, view: 'hosts', host }),
      choose: (host) => go(host, this.#state.period),
    })
    this.#feed = new Feed(clock, PANELS, () => this.#view.plotWidth, {
      changed: () => heartbeat.nudge(),
      ready: () => heartbeat.beat(),
      loaded: () => this.#drawCharts(),
    })
    const zoom = (window: Period): void => go(this.#state.host, window)
    this.#view = new HostView(this.#feed.data, { palette, zoom, back })
  }

  get hosts(): readonly HostRow[] {
    return this.#hosts
  }

  /** Whether the API has named its hosts at least once. */
  get isPolled(): boolean {
    return this.#isPolled
  }

  get shownHost(): string | null {
    return this.#shownHost
  }

  /** The shown host as the API knows it. */
  get host(): Host | undefined {
    const row = this.#hosts.find(({ host }) => host === this.#shownHost)
    if (row === undefined || isDescribed(row)) return row
    return this.#described?.host === row.host ? this.#described : undefined
  }

  /** The host for a page that is opened without one: the first that is alive, and better one that an agent measures. */
  get firstHost(): string | null {
    const alive = this.#hosts.filter(({ stale }) => !stale)
    return (alive.find(({ cpuPercent }) => cpuPercent !== null) ?? alive[0] ?? this.#hosts[0])?.host ?? null
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
      this.#feed.follow(hostSubject(host, PANELS))
      this.#view.show(host, this.#feed.data)
      this.#followed(host, !this.#isPolled || this.host !== undefined)
    }
    this.#list.update(this.#hosts, host, this.#left)
    this.#load()
  }

  /** Takes the API's list of hosts, in its order, and how many there are. */
  takeHosts(hosts: ReadonlyArray<Host | HostRow>, total: number): void {
    const isFirst = !this.#isPolled
    this.#isPolled = true
    this.#hosts = hosts
    this.#left = total - hosts.length
    if (isFirst) this.#load()
    this.#checkStream()
    this.#list.update(hosts, this.#state.host, this.#left)
  }

  /** Takes all figures of a host. */
  takeHost(host: Host): void {
    this.#described = host
    this.#checkStream()
  }

  #checkStream(): void {
    if (this.host !== undefined) this.#feed.checkStream(this.host.lastSeenAt / 1000)
  }

  /** The CPU use that the card shows; null before the first live sample, and for a host that sends none. */
  get #cpuPercent(): number | null {
    const { panels, newestAtMs } = this.#feed.data
    const cpu = panels.find(({ panel }) => panel === CPU)!
    return newestAtMs === 0 ? null : busyPercent((column) => cpu.newest(column))
  }

  /** The API's answers come every two seconds. The shown host has the number of its card. */
  #withLiveCpu(host: Host): HostRow {
    const cpuPercent = this.#drawnCpu
    return cpuPercent === null || host.stale ? host : { ...host, cpuPercent }
  }

  /** History waits for the first list of hosts, because that brings the clock of the server. */
  #load(): void {
    if (this.#state.host === null || !this.#isPolled) this.#feed.cancelLoad()
    else this.#feed.load(this.#state.period)
  }

  open(): void {
    if (!this.#isOpen) this.#feed.open()
    this.#isOpen = true
  }

  close(): void {
    this.#isOpen = false
    this.#feed.close()
    this.#feed.cancelLoad()
  }

  draw(nowMs: number): void {
    const isShownLive = isLive(this.#state.period)
    const { host } = this
    const seenAtMs = Math.max(this.newestAtMs, (host?.lastSeenAt ?? 0) / 1000)
    this.#view.writeHeader(host, seenAtMs, nowMs)
    this.#view.drawNumbers(isShownLive)
    this.#drawnCpu = this.#cpuPercent
    if (host !== undefined) this.#list.refresh(this.#withLiveCpu(host))
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

function isDescribed(host: Host | HostRow): host is Host {
  return 'lastSeenAt' in host
}
