import type { Window } from './charts/chart.ts'
import { PipelineStrip } from './frame/pipeline-strip.ts'
import { StatusLine } from './frame/status-line.ts'
import { loadHistory } from './hosts/history.ts'
import { HostView } from './hosts/host-view.ts'
import { HostsList } from './hosts/hosts-list.ts'
import { PANELS } from './hosts/panels.ts'
import { ApiError, getHosts, type Host } from './shared/api.ts'
import { ServerClock } from './shared/clock.ts'
import { byId, setAttribute } from './shared/dom.ts'
import { Heartbeat } from './shared/heartbeat.ts'
import { connectHelp } from './shared/help.ts'
import { connectKeys } from './shared/keys.ts'
import { LiveStream, type StreamState } from './shared/stream.ts'
import { connectTheme, Palette } from './shared/theme.ts'
import { bucketFor } from './shared/units.ts'
import { Address, formatView, lengthOf, type Period, RANGES } from './shared/url-state.ts'

const POLL_MS = 2000
const POLL_AWAY_MS = 1000
const POLL_LOCKED_MS = 10_000
// After a failed history (the store is away) and after samples were missed: not more often than this.
const RELOAD_MS = 5000
// The API knows a newer sample than the stream brought, by this much: the connection looks alive, but is not.
const SILENT_STREAM_MS = 10_000

const clock = new ServerClock()
const palette = new Palette()
const strip = new PipelineStrip()
const status = new StatusLine()
const address = new Address(applyView)
const heartbeat = new Heartbeat(draw)
const hostsList = new HostsList({
  linkTo: (host) => formatView({ host, period: address.view.period }),
  choose: (host) => go(host, address.view.period),
})
const view = new HostView({ palette, zoom: ({ fromMs, toMs }) => go(address.view.host, { fromMs, toMs }), back })

let hosts: readonly Host[] = []
let shownHost: string | null = null
let hostStream: LiveStream | undefined
let pipelineStream: LiveStream | undefined
let streamState: StreamState = 'connecting'
let polled = false
let pollTimer: ReturnType<typeof setTimeout> | undefined
let pollAgain = false
let pollAbort = new AbortController()
let loadAbort = new AbortController()
let loadTimer: ReturnType<typeof setTimeout> | undefined
let loadedAtMs = -Infinity
let loadError: ApiError | null = null
let bucketMs = 1000
let chartsDrawnAtMs = -Infinity

function go(host: string | null, period: Period): void {
  address.push({ host, period })
  applyView()
}

function back(): void {
  if (!('range' in address.view.period) && !address.back()) go(address.view.host, { range: '5m' })
}

/** Makes the page show what the address says. */
function applyView(): void {
  const { host, period } = address.view
  for (const button of rangeButtons()) {
    setAttribute(button, 'aria-pressed', String('range' in period && button.dataset.range === period.range))
  }
  view.writePeriod('range' in period ? null : period)
  if (host !== null && host !== shownHost) {
    shownHost = host
    view.show(host)
    openHostStream(host)
  }
  hostsList.update(hosts, host)
  load()
}

const rangeButtons = () => byId('ranges').querySelectorAll<HTMLButtonElement>('button')

function windowOf(period: Period): Window {
  if (!('range' in period)) return period
  // Whole seconds: the charts slide in steps of the samples, and all by the same.
  const toMs = Math.floor(clock.now() / 1000) * 1000
  return { fromMs: toMs - lengthOf(period), toMs }
}

async function load(): Promise<void> {
  const { host, period } = address.view
  loadAbort.abort()
  clearTimeout(loadTimer)
  if (host === null || !polled) return
  loadAbort = new AbortController()
  loadedAtMs = performance.now()
  const { signal } = loadAbort
  const window = windowOf(period)
  const follows = 'range' in period
  bucketMs = bucketFor(window.toMs - window.fromMs, view.plotWidth)
  // What is live may already lie behind the second that the window ends with.
  const asked = follows ? { fromMs: window.fromMs, toMs: clock.now() } : window
  loadError = null
  drawCharts()
  try {
    await loadHistory(view.data, { host, window: asked, bucketMs, follows, signal, loaded: drawCharts })
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof ApiError)) throw error
    loadError = error
    if (error.status !== 404) reloadSoon()
  }
  heartbeat.beat()
}

/** Asks for history again, to fill a hole, but never in a storm. */
function reloadSoon(): void {
  clearTimeout(loadTimer)
  loadTimer = setTimeout(load, Math.max(0, loadedAtMs + RELOAD_MS - performance.now()))
}

function openHostStream(host: string): void {
  hostStream?.close()
  const measurements = PANELS.map(({ measurement }) => measurement).join(',')
  hostStream = new LiveStream(`api/v1/live?${new URLSearchParams({ host, measurement: measurements })}`, {
    samples(samples) {
      const isFirst = samples.length > 0 && view.data.newestAtMs === 0
      view.data.takeLive(samples)
      // The first event has all that there is: nothing is to be gathered, and the numbers need not wait for the charts' history.
      if (isFirst) heartbeat.beat()
      else heartbeat.nudge()
    },
    state(state) {
      streamState = state
      heartbeat.nudge()
    },
    missed: reloadSoon,
  })
}

function openPipelineStream(): void {
  pipelineStream = new LiveStream('api/v1/live?measurement=sentinel_pipeline', {
    samples(samples) {
      strip.take(samples)
      heartbeat.nudge()
      // The roles tell of themselves in the same tick as an agent of its host: there is news where the last poll found nobody.
      if (samples.length > 0 && shownHost === null) pollNow()
    },
    state: () => {},
    missed: () => {},
  })
}

/** An answer that is on its way is waited for: where each takes longer than the next call comes, none would ever arrive. */
function pollNow(): void {
  if (pollTimer === undefined) pollAgain = true
  else poll()
}

async function poll(): Promise<void> {
  clearTimeout(pollTimer)
  pollTimer = undefined
  pollAgain = false
  pollAbort.abort()
  pollAbort = new AbortController()
  const { signal } = pollAbort
  const sentAtMs = performance.now()
  try {
    const answer = await getHosts(signal)
    clock.observe(answer.now, sentAtMs, performance.now())
    hosts = answer.hosts
    status.apiAnswers()
    chooseFirst()
    checkStream()
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof ApiError)) throw error
    status.apiFails(error, clock.now())
  }
  const pauseMs = { ok: POLL_MS, away: POLL_AWAY_MS, locked: POLL_LOCKED_MS }[status.api]
  pollTimer = setTimeout(poll, pollAgain && shownHost === null ? 0 : pauseMs)
  hostsList.update(hosts, address.view.host)
  heartbeat.nudge()
}

/** A page opened without a host shows the first that is alive. History waits for the first answer: it brings the clock. */
function chooseFirst(): void {
  const first = !polled
  polled = true
  if (address.view.host !== null) {
    if (first) load()
    return
  }
  const host = hosts.find(({ stale }) => !stale) ?? hosts[0]
  if (host === undefined) return
  address.replace({ ...address.view, host: host.host })
  applyView()
}

function checkStream(): void {
  const host = hosts.find(({ host }) => host === shownHost)
  const { newestAtMs } = view.data
  if (host === undefined || newestAtMs === 0 || host.lastSeenAt / 1000 - newestAtMs < SILENT_STREAM_MS) return
  hostStream?.reopen()
}

function drawCharts(): void {
  chartsDrawnAtMs = performance.now()
  view.drawCharts(windowOf(address.view.period), clock.now())
}

function draw(): void {
  const nowMs = clock.now()
  const { period } = address.view
  const live = 'range' in period
  const host = hosts.find(({ host }) => host === shownHost)
  const seenAtMs = Math.max(view.data.newestAtMs, (host?.lastSeenAt ?? 0) / 1000)
  view.writeHeader(host, seenAtMs, nowMs)
  view.drawNumbers(live)
  // A bucket of minutes changes by less than a pixel in a second.
  if (live && performance.now() - chartsDrawnAtMs >= Math.min(bucketMs / 4, 10_000)) drawCharts()
  strip.draw(nowMs)
  status.draw({ stream: shownHost === null ? 'waiting' : streamState, newestAtMs: view.data.newestAtMs, nowMs })
  view.notice(status.noticeOf({ polled, hosts, host, shownHost, loadError, isEmpty: view.data.isEmpty, period, go }))
}

/** A page that nobody sees costs nothing, and leaves its connections to others (a browser has six for a server). */
function visibilityChanged(): void {
  if (document.hidden) {
    hostStream?.close()
    pipelineStream?.close()
    clearTimeout(pollTimer)
    pollAbort.abort()
    heartbeat.stop()
  } else start()
}

function start(): void {
  openPipelineStream()
  if (shownHost !== null) openHostStream(shownHost)
  applyView()
  poll()
  heartbeat.beat()
}

const themeButton = byId<HTMLButtonElement>('theme')
connectTheme(themeButton, () => {
  palette.forget()
  view.redraw()
})
const openHelp = connectHelp(byId<HTMLButtonElement>('help-open'))
connectKeys({
  filter: () => hostsList.focusFilter(),
  neighbour(places) {
    const host = hostsList.neighbour(places)
    if (host !== null && host !== address.view.host) go(host, address.view.period)
  },
  range: (index) => go(address.view.host, { range: RANGES[index]!.name }),
  back,
  theme: () => themeButton.click(),
  help: openHelp,
})
for (const button of rangeButtons()) {
  button.addEventListener('click', () => {
    const range = RANGES.find(({ name }) => name === button.dataset.range)!
    go(address.view.host, { range: range.name })
  })
}
document.addEventListener('visibilitychange', visibilityChanged)
start()
