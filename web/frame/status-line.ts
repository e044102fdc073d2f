import type { Notice } from '../hosts/host-view.ts'
import type { ApiError, Host } from '../shared/api.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'
import type { StreamState } from '../shared/stream.ts'
import { formatAge, formatSpan, formatTime } from '../shared/units.ts'
import { lengthOf, type Period } from '../shared/url-state.ts'

// Behind by more than this, the dot is amber: the agents publish every second.
const LATE_MS = 5000
const LAST_SEEN_RANGE_MS = 3_600_000

type ApiState = 'ok' | 'away' | 'locked'

/** What the page knows when it decides whether charts or a notice are to be shown. */
export interface Situation {
  readonly polled: boolean
  readonly hosts: readonly Host[]
  readonly host: Host | undefined
  readonly shownHost: string | null
  readonly loadError: ApiError | null
  readonly isEmpty: boolean
  readonly period: Period
  readonly go: (host: string | null, period: Period) => void
}

/** Says how the page stands with the API: the dot with "0.4 s behind", the banner, and the words of the notices. */
export class StatusLine {
  api: ApiState = 'ok'
  #awaySinceMs = 0

  apiAnswers(): void {
    if (this.api === 'away') setText(byId('announcement'), 'The API answers again.')
    this.api = 'ok'
    byId('banner').hidden = true
  }

  apiFails(error: ApiError, nowMs: number): void {
    const state = error.status === 401 || error.status === 403 ? 'locked' : 'away'
    if (state === 'away' && this.api !== 'away') {
      this.#awaySinceMs = nowMs
      setText(byId('announcement'), 'The API does not answer.')
    }
    this.api = state
    byId('banner').hidden = state !== 'away'
    const since = formatTime(this.#awaySinceMs)
    const why = error.status === 0 ? 'does not answer' : `answers with an error (${error.status})`
    setText(
      byId('banner-text'),
      `The API ${why} since ${since}. Trying again every second; what is missed is filled in.`,
    )
  }

  draw({ stream, newestAtMs, nowMs }: { stream: StreamState | 'waiting'; newestAtMs: number; nowMs: number }): void {
    const { state, word, age } = this.#said(stream, nowMs - newestAtMs, newestAtMs > 0)
    setAttribute(byId('live'), 'data-state', state)
    setText(byId('live-word'), word)
    setText(byId('live-age'), age)
  }

  #said(
    stream: StreamState | 'waiting',
    behindMs: number,
    hasSample: boolean,
  ): { state: string; word: string; age: string } {
    if (this.api === 'locked') return { state: 'away', word: 'locked', age: '' }
    if (this.api === 'away') return { state: 'away', word: 'API away', age: '' }
    if (stream === 'waiting') return { state: 'waiting', word: 'no samples yet', age: '' }
    if (stream !== 'live') return { state: 'reconnecting', word: stream, age: '' }
    if (!hasSample) return { state: 'live', word: 'live', age: '' }
    return { state: behindMs > LATE_MS ? 'late' : 'live', word: 'live', age: `${formatAge(behindMs)} behind` }
  }

  /** What to say in the place of the charts; null when there is something to draw. */
  noticeOf(situation: Situation): Notice | null {
    const { polled, hosts, host, shownHost, loadError, isEmpty, period, go } = situation
    if (this.api === 'locked') return LOCKED
    if (!polled) return this.api === 'away' ? AWAY : null
    if (shownHost === null) return hosts.length === 0 ? WAITING : null
    if (loadError?.status === 404 && host === undefined) return unknownHost(shownHost, hosts, go)
    if (loadError !== null && loadError.status !== 0) return isEmpty ? storeAway(loadError) : null
    return isEmpty ? emptyRange(shownHost, host, period, go) : null
  }
}

const WAITING: Notice = {
  kind: 'waiting',
  title: 'Waiting for the first sample',
  text: 'The agent publishes every second. This page shows it as soon as it is there.',
}

const LOCKED: Notice = {
  kind: 'locked',
  title: 'This server asks who you are',
  text: 'The API answered 401: it wants a key, and this page has none. Ask whoever runs it for a way in.',
}

const AWAY: Notice = {
  kind: 'away',
  title: 'The API does not answer',
  text: 'The page is here, but its data is not. It tries again every second.',
}

function storeAway(error: ApiError): Notice {
  return { kind: 'away', title: 'History is not to be had now', text: `${error.detail} Live samples go on.` }
}

function unknownHost(name: string, hosts: readonly Host[], go: Situation['go']): Notice {
  const first = hosts[0]
  return {
    kind: 'unknown',
    title: `No host named ${name}`,
    text: 'It is not sending now, and the last 7 days hold nothing of it.',
    actions: first === undefined ? [] : [{ label: `Show ${first.host}`, act: () => go(first.host, { range: '5m' }) }],
  }
}

function emptyRange(name: string, host: Host | undefined, period: Period, go: Situation['go']): Notice {
  const seenAtMs = (host?.lastSeenAt ?? 0) / 1000
  const span = 'range' in period ? `the last ${formatAge(lengthOf(period))}` : formatSpan(period.fromMs, period.toMs)
  const seen = host?.stale ? ` It was last seen ${formatAge(host.ageMs)} ago.` : ''
  const lastHour: Period = { fromMs: seenAtMs - LAST_SEEN_RANGE_MS, toMs: seenAtMs + 1000 }
  return {
    kind: 'empty',
    title: 'Nothing recorded here',
    text: `${name} left no samples in ${span}.${seen}`,
    actions: [
      ...(host?.stale ? [{ label: 'Show its last hour', act: () => go(name, lastHour) }] : []),
      ...('range' in period && period.range === '5m'
        ? []
        : [{ label: 'Show the last 5 minutes', act: () => go(name, { range: '5m' }) }]),
    ],
  }
}
