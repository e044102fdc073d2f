import { FabricView } from './fabric/fabric-view.ts'
import { Login } from './frame/login.ts'
import { fabricNoticeOf, gpusNoticeOf, NoticeBoard, noticeOf, queueNoticeOf } from './frame/notice.ts'
import { PipelineStrip } from './frame/pipeline-strip.ts'
import { RangeButtons } from './frame/range-buttons.ts'
import { type LiveState, StatusLine } from './frame/status-line.ts'
import { ViewLinks } from './frame/view-links.ts'
import { GpusView } from './gpus/gpus-view.ts'
import { HostsPoll } from './hosts/hosts-poll.ts'
import { HostsView } from './hosts/hosts-view.ts'
import { QueueView } from './queue/queue-view.ts'
import { ServerClock } from './shared/clock.ts'
import type { ApiError } from './shared/api-error.ts'
import { byId } from './shared/dom.ts'
import { Heartbeat } from './shared/heartbeat.ts'
import { connectHelp } from './shared/help.ts'
import { connectKeys } from './shared/keys.ts'
import { isLive, type Period, RANGES } from './shared/period.ts'
import { LiveStream, refusalIn } from './shared/stream.ts'
import { connectTheme, Palette } from './shared/theme.ts'
import { Address, GPUS_VIEW, type PageState, type ViewName } from './shared/url-state.ts'

// Wires the frame of the page and its views. The address says what is shown: `go` changes it, `show` follows it.

const clock = new ServerClock()
const palette = new Palette()
const address = new Address(show)
const heartbeat = new Heartbeat(draw)

const status = new StatusLine()
const login = new Login({ opened: start, locked })
const ranges = new RangeButtons((range) => goTo({ period: { range } }))
const notices = new NoticeBoard('view', 'notice')
const fabricNotices = new NoticeBoard('fabric', 'fabric-notice')
const gpusNotices = new NoticeBoard('gpus', 'gpus-notice')
const queueNotices = new NoticeBoard('queue', 'queue-notice')
const strip = new PipelineStrip()
const hostsView = new HostsView(address.state, {
  ...{ clock, palette, heartbeat, go, back },
  followed: (host, known) => hostsPoll.follow(host, known),
})

const hostsPoll = new HostsPoll({
  answered({ now, hosts, total }, sentAtMs, receivedAtMs) {
    clock.observe(now, sentAtMs, receivedAtMs)
    status.apiAnswers()
    hostsView.takeHosts(hosts, total)
    showFirstHost()
    heartbeat.nudge()
  },
  described(host) {
    hostsView.takeHost(host)
    heartbeat.nudge()
  },
  failed: apiFailed,
})
let pipelineStream: LiveStream | undefined
let isRunning = false
/** The page does not wait longer for the answer whether a key is needed: the polls tell it too. */
const MOST_LOGIN_MS = 1000

const fabricView = new FabricView({
  ...{ clock, palette, back },
  go: (fabric, period = address.state.period) => goTo({ fabric, period }),
  answered,
})
const gpusView = new GpusView({
  ...{ clock, palette, back },
  go: (gpus, period = address.state.period) => goTo({ gpus, period }),
  become(gpus) {
    address.replace({ ...address.state, gpus })
    show()
  },
  changed: () => heartbeat.nudge(),
})
const queueView = new QueueView({
  go: (queue) => goTo({ queue }),
  answered(error) {
    // A Redis that is away is told by the view itself: the API answers all else.
    answered(error?.status === 503 ? undefined : error)
  },
})
const links = new ViewLinks((view) => goTo({ view }))

/** A view as the frame drives it: `show` follows a new state of the page while the view is open. */
interface View {
  show(state: PageState): void
  close(): void
  draw(): void
}
const views: Readonly<Record<ViewName, View>> = {
  hosts: {
    show(state) {
      hostsView.open()
      hostsView.show(state)
    },
    close: () => hostsView.close(),
    draw: drawHosts,
  },
  fabric: {
    show({ fabric, period }) {
      fabricView.show(fabric, period)
      fabricView.open()
      document.title = 'Fabric · SentinelStream'
    },
    close: () => fabricView.close(),
    draw: drawFabric,
  },
  gpus: { show: ({ gpus, period }) => gpusView.show(gpus, period), close: () => gpusView.close(), draw: drawGpus },
  queue: {
    show({ queue }) {
      queueView.show(queue)
      queueView.open()
      document.title = 'Queue · SentinelStream'
    },
    close: () => queueView.close(),
    draw: drawQueue,
  },
}

function answered(error?: ApiError): void {
  if (error === undefined) {
    status.apiAnswers()
    heartbeat.nudge()
  } else apiFailed(error)
}

function apiFailed(error: ApiError): void {
  if (error.state === 'locked') {
    login.lock(error)
    return
  }
  status.apiFails(error, clock.now())
  heartbeat.nudge()
}

/** Nothing is asked until a key is taken. */
function locked(): void {
  stop()
  document.body.dataset.locked = 'true'
  status.locked()
}

function go(host: string | null, period: Period): void {
  goTo({ host, period })
}

function showGpus(host: string): void {
  goTo({ view: 'gpus', gpus: { ...GPUS_VIEW, filter: host } })
}

function goTo(change: Partial<PageState>): void {
  address.push({ ...address.state, ...change })
  show()
}

function back(): void {
  const { view, period, queue } = address.state
  if (view === 'queue') {
    if (queue.open !== null) goTo({ queue: { open: null } })
  } else if (!isLive(period)) {
    if (!address.back()) goTo({ period: { range: '5m' } })
  } else if (view === 'gpus') gpusView.closeGpu()
}

/** Shows what the address says, or the log-in where there is no key for it. */
function show(): void {
  if (login.isLocked) return
  const { state } = address
  ranges.show(state.period)
  links.show(state)
  for (const [name, view] of Object.entries(views)) if (name !== state.view) view.close()
  views[state.view].show(state)
}

/** A page that was opened without a host shows the first one that is alive. */
function showFirstHost(): void {
  const host = hostsView.firstHost
  if (address.state.host !== null || host === null || address.state.view !== 'hosts') return
  address.replace({ ...address.state, host })
  show()
}

function draw(): void {
  strip.draw(clock.now())
  views[address.state.view].draw()
}

/** A key that no stream is given to leads to the log-in. */
function drawStatus(live: LiveState): void {
  const refusal = refusalIn(live.stream) ?? refusalIn(strip.stream)
  if (refusal?.error.state === 'locked') login.lock(refusal.error)
  else status.draw(live)
}

function drawFabric(): void {
  const nowMs = clock.now()
  const { ageMs, isStale, fabrics } = fabricView
  fabricView.draw()
  const newestAtMs = ageMs === undefined ? 0 : nowMs - ageMs
  drawStatus({ stream: fabrics === 'none' ? 'no host' : 'live', newestAtMs, isStale, nowMs })
  fabricNotices.show(fabricNoticeOf(status.api, fabrics))
}

function drawGpus(): void {
  const nowMs = clock.now()
  gpusView.draw()
  const { stream, newestAtMs, isStale, gpus } = gpusView
  drawStatus({ stream, newestAtMs, isStale, nowMs })
  gpusNotices.show(gpusNoticeOf(status.api, gpus))
}

function drawQueue(): void {
  const nowMs = clock.now()
  const { ageMs, isStale } = queueView
  queueView.draw()
  drawStatus({ stream: 'live', newestAtMs: ageMs === undefined ? 0 : nowMs - ageMs, isStale, nowMs })
  queueNotices.show(queueNoticeOf(status.api, queueView.known))
}

function drawHosts(): void {
  const nowMs = clock.now()
  const { hosts, isPolled, shownHost, host, stream, newestAtMs, loadError, isEmpty } = hostsView
  hostsView.draw(nowMs)
  drawStatus({ stream, newestAtMs, isStale: host?.stale ?? false, nowMs })
  const { period } = address.state
  notices.show(
    noticeOf({ api: status.api, isPolled, hosts, shownHost, host, loadError, isEmpty, period, go, showGpus }),
  )
}

function openPipelineStream(): LiveStream {
  return new LiveStream('api/v1/pipeline/live', {
    ...{ samples: () => {}, missed: () => {} },
    state(state) {
      strip.stream = state
      heartbeat.nudge()
    },
    pipeline(summary) {
      strip.take(summary)
      heartbeat.nudge()
      // A program reports its own metrics in the same tick as the agent of its host, so the first host may be there now.
      if (summary.programs > 0 && hostsView.shownHost === null) hostsPoll.soon()
    },
  })
}

function start(): void {
  if (isRunning || login.isLocked) return
  isRunning = true
  if (document.body.dataset.locked !== undefined) {
    delete document.body.dataset.locked
    status.apiAnswers()
  }
  pipelineStream = openPipelineStream()
  show()
  hostsPoll.start()
  heartbeat.beat()
}

function stop(): void {
  isRunning = false
  for (const view of Object.values(views)) view.close()
  pipelineStream?.close()
  hostsPoll.stop()
  heartbeat.stop()
}

const themeButton = byId<HTMLButtonElement>('theme')
connectTheme(themeButton, () => {
  palette.forget()
  hostsView.redraw()
  fabricView.redraw()
  gpusView.redraw()
})
connectKeys({
  filter: () => (address.state.view === 'gpus' ? gpusView : hostsView).focusFilter(),
  neighbour(step) {
    if (address.state.view === 'gpus') gpusView.neighbour(step)
    if (address.state.view === 'queue') queueView.neighbour(step)
    if (address.state.view !== 'hosts') return
    const host = hostsView.neighbour(step)
    if (host !== null && host !== address.state.host) go(host, address.state.period)
  },
  range: (index) => goTo({ period: { range: RANGES[index]!.name } }),
  back,
  theme: () => themeButton.click(),
  help: connectHelp(byId<HTMLButtonElement>('help-open')),
})
// A hidden page costs nothing, and leaves its connections to others: a browser opens six to a server.
document.addEventListener('visibilitychange', () => (document.hidden ? stop() : start()))

async function begin(): Promise<void> {
  await Promise.race([login.begin(), new Promise((resolve) => setTimeout(resolve, MOST_LOGIN_MS))])
  if (!document.hidden) start()
}
void begin()
