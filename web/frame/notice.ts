import { countOf } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import type { Host, HostRow } from '../shared/api.ts'
import type { ApiError, ApiState } from '../shared/api-error.ts'
import { noticedOffset } from '../shared/clock.ts'
import { byId, element, setAttribute } from '../shared/dom.ts'
import { isLive, lengthOf, type Period } from '../shared/period.ts'
import { spanText } from '../shared/times.ts'

const LAST_SEEN_RANGE_MS = 3_600_000

/** Takes the place of the charts when there is nothing to draw. It explains why, and offers what the reader can do. */
export interface Notice {
  readonly kind: 'waiting' | 'away' | 'unknown' | 'empty'
  readonly title: string
  readonly text: string
  readonly actions?: readonly { readonly label: string; readonly act: () => void }[]
}

/** What the page knows when it decides between the charts and a notice. */
export interface Situation {
  readonly api: ApiState
  /** Whether the API has named its hosts at least once. */
  readonly isPolled: boolean
  readonly hosts: readonly HostRow[]
  /** The shown host by its name; null while the page has found none. */
  readonly shownHost: string | null
  /** The shown host as the API knows it. */
  readonly host: Host | undefined
  readonly loadError: ApiError | null
  /** Whether all history was answered, and there was none. */
  readonly isEmpty: boolean
  readonly period: Period
  readonly go: (host: string | null, period: Period) => void
  readonly showGpus: (host: string) => void
}

/** The notice for a situation; null when there are charts to draw. */
export function noticeOf(situation: Situation): Notice | null {
  const { api, isPolled, hosts, shownHost, host, loadError, isEmpty } = situation
  if (!isPolled) return unanswered(api)
  if (shownHost === null) return hosts.length === 0 ? WAITING : null
  if (loadError?.status === 404 && host === undefined) return unknownHost(shownHost, situation)
  if (!isEmpty) return null
  if (hasGpusAlone(host)) return gpusAlone(host, situation)
  return loadError === null || loadError.status === 0 ? emptyRange(shownHost, situation) : storeAway(loadError)
}

/** Nothing is known yet, because the API does not say it. */
function unanswered(api: ApiState): Notice | null {
  if (api === 'limited') return LIMITED
  return api === 'away' ? API_AWAY : null
}

const WAITING: Notice = {
  kind: 'waiting',
  title: 'Waiting for the first sample',
  text: 'An agent publishes every second. This page shows its first sample as soon as it arrives.',
}

const LIMITED: Notice = {
  kind: 'away',
  title: 'Too many requests',
  text: 'The server limits how often one address, or one key, may ask. This page goes on by itself: the line above counts the seconds.',
}

const API_AWAY: Notice = {
  kind: 'away',
  title: 'The API does not answer',
  text: 'The page has loaded, but its data has not. It tries again every second.',
}

const NO_FABRIC: Notice = {
  kind: 'waiting',
  title: 'No fabric yet',
  text: 'Name the address of a fabric manager to an agent with --fabric-targets, or see made-up switches with sentinel up --fabric. Its rows show here with the first cycle.',
}

const NO_GPU: Notice = {
  kind: 'waiting',
  title: 'No GPU yet',
  text: 'An agent on a host with GPUs asks them with --gpu-nvidia-smi, asks an exporter with --scrape, or reads files with --gpu. They show here with the first reading.',
}

/** The notice of the view of GPUs; null when there are cells or charts to draw. */
export function gpusNoticeOf(api: ApiState, gpus: 'unknown' | 'none' | 'some'): Notice | null {
  if (gpus === 'unknown') return unanswered(api)
  return gpus === 'none' ? NO_GPU : null
}

/** The notice of the view of fabrics; null when there are cells to draw. */
export function fabricNoticeOf(api: ApiState, fabrics: 'unknown' | 'none' | 'some'): Notice | null {
  if (fabrics === 'unknown') return unanswered(api)
  return fabrics === 'none' ? NO_FABRIC : null
}

/** Whether the API knows its GPUs, and nothing that an agent measures. */
function hasGpusAlone(host: Host | undefined): host is Host {
  if (host === undefined || host.stale) return false
  return (host.gpu_count ?? 0) > 0 && host.cpuPercent === null && host.memPercent === null
}

function gpusAlone({ host, gpu_count = 0 }: Host, { showGpus }: Situation): Notice {
  const gpus = countOf(gpu_count, 'GPU')
  return {
    kind: 'empty',
    title: `${gpus}, and no agent`,
    text: `What is known of ${host} comes from an exporter of its GPUs. An agent on it sends CPU, memory, disks and network.`,
    actions: [{ label: gpu_count === 1 ? 'Show its GPU' : 'Show its GPUs', act: () => showGpus(host) }],
  }
}

/** The notice of the view of the queue; null when there are partitions to draw. */
export function queueNoticeOf(api: ApiState, queue: QueueKnown): Notice | null {
  if (queue.reason !== null) return { kind: 'empty', title: 'There is no queue', text: queue.reason }
  if (queue.isKnown) return null
  if (queue.engineError !== null) return { kind: 'away', title: 'Redis does not answer', text: ENGINE_AWAY }
  return unanswered(api)
}

const ENGINE_AWAY =
  'The API cannot look at what waits there. Gateways keep what they are sent on their disks, and agents in their outboxes. This page asks again every second.'

/** What is known of the queue. */
export interface QueueKnown {
  /** Whether the API has told of its partitions. */
  readonly isKnown: boolean
  /** Why there is none; null where there is one, or nobody knows yet. */
  readonly reason: string | null
  /** The API answers, and its Redis does not. */
  readonly engineError: ApiError | null
}

function storeAway(error: ApiError): Notice {
  return { kind: 'away', title: 'History is not available now', text: `${error.detail} Live samples continue.` }
}

function unknownHost(name: string, { hosts, go }: Situation): Notice {
  const first = hosts[0]
  return {
    kind: 'unknown',
    title: `No host named ${name}`,
    text: 'It sends nothing now, and the last 7 days have no samples of it.',
    actions: first === undefined ? [] : [{ label: `Show ${first.host}`, act: () => go(first.host, { range: '5m' }) }],
  }
}

function emptyRange(name: string, { host, period, go }: Situation): Notice {
  const seenAtMs = (host?.lastSeenAt ?? 0) / 1000 + noticedOffset(host?.clockOffsetMs ?? null)
  const span = isLive(period) ? `the last ${ageText(lengthOf(period))}` : spanText(period.fromMs, period.toMs)
  const seen = host?.stale ? ` Its last sample came ${ageText(host.ageMs)} ago.` : ''
  const lastHour: Period = { fromMs: seenAtMs - LAST_SEEN_RANGE_MS, toMs: seenAtMs + 1000 }
  const isShortest = isLive(period) && period.range === '5m'
  return {
    kind: 'empty',
    title: 'Nothing recorded here',
    text: `${name} has no samples in ${span}.${seen}`,
    actions: [
      ...(host?.stale ? [{ label: 'Show its last hour', act: () => go(name, lastHour) }] : []),
      ...(isShortest ? [] : [{ label: 'Show the last 5 minutes', act: () => go(name, { range: '5m' }) }]),
    ],
  }
}

/** The place of the notices on the page. While one is shown, the style sheet hides the charts. */
export class NoticeBoard {
  readonly #view: HTMLElement
  readonly #notice: HTMLElement
  #shownKey = ''

  /** @param view the id of the view, and that of the notice in it */
  constructor(view: string, notice: string) {
    this.#view = byId(view)
    this.#notice = byId(notice)
  }

  /** Shows a notice, or the charts again for null. A notice that is shown already stays as it is, so its buttons keep the focus. */
  show(notice: Notice | null): void {
    const key = notice === null ? '' : `${notice.kind} ${notice.title} ${notice.text}`
    if (key === this.#shownKey) return
    this.#shownKey = key
    setAttribute(this.#view, 'data-notice', notice?.kind ?? 'none')
    this.#notice.hidden = notice === null
    if (notice === null) return
    const buttons = (notice.actions ?? []).map(({ label, act }) => {
      const button = element('button', { type: 'button', class: 'button', text: label })
      button.addEventListener('click', act)
      return button
    })
    this.#notice.replaceChildren(
      element('span', { class: 'pulse', 'aria-hidden': 'true' }),
      element('h2', { text: notice.title }),
      element('p', { text: notice.text }),
      element('div', { class: 'actions' }, ...buttons),
    )
  }
}
