import { ageText } from '../../internal/text/duration.ts'
import type { ApiError, ApiState } from '../shared/api-error.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'
import { refusalIn, type StreamState } from '../shared/stream.ts'
import { countdownText, timeText } from '../shared/times.ts'

/** What the dot is about; `no host` while the page has found none to show. */
export interface LiveState {
  readonly stream: StreamState | 'no host'
  /** When the newest live sample arrived, ms by the clock of the server; 0 before the first. */
  readonly newestAtMs: number
  /** Whether the host is stale: the dot turns amber. */
  readonly isStale: boolean
  readonly nowMs: number
}

const LIMITED = 'The server takes no more requests from here for now: one address, or one key, may ask only so often.'
const NO_STREAM = 'The server sends no live values for now: too many requests came from here'

/** Shows how the page gets its data: the dot with "0.4 s behind", and a banner while the API is away. */
export class StatusLine {
  #api: ApiState = 'ok'
  #awaySinceMs = 0
  /** When the API may be asked again, by the monotonic timer. */
  #limitedUntilMs = 0

  get api(): ApiState {
    return this.#api
  }

  apiAnswers(): void {
    if (this.#api === 'away') setText(byId('announcement'), 'The API answers again.')
    this.#api = 'ok'
  }

  apiFails(error: ApiError, nowMs: number): void {
    if (error.state === 'away' && this.#api !== 'away') {
      this.#awaySinceMs = nowMs
      setText(byId('announcement'), 'The API does not answer.')
    }
    this.#api = error.state
    byId('banner').hidden = error.state === 'locked'
    if (error.state === 'limited') {
      this.#limitedUntilMs = performance.now() + error.retryMs
      this.#warn(LIMITED, this.#limitedUntilMs)
      return
    }
    const since = timeText(this.#awaySinceMs)
    const why = error.status === 0 ? 'does not answer' : `answers with an error (${error.status})`
    setText(
      byId('banner-text'),
      `The API ${why} since ${since}. The page tries again every second and then fills the gap.`,
    )
  }

  /** The log-in takes the place of the views. */
  locked(): void {
    this.#api = 'locked'
    byId('banner').hidden = true
    setText(byId('announcement'), 'The server wants a key.')
    this.#write({ state: 'away', word: 'locked', age: '' })
  }

  /** @param untilMs when the page goes on, by the monotonic timer */
  #warn(why: string, untilMs: number): void {
    byId('banner').hidden = false
    setText(byId('banner-text'), `${why} The page goes on by itself in ${countdownText(untilMs - performance.now())}.`)
  }

  draw(live: LiveState): void {
    const refusal = refusalIn(live.stream)
    if (this.#api === 'limited') this.#warn(LIMITED, this.#limitedUntilMs)
    else if (this.#api === 'ok') byId('banner').hidden = refusal === undefined
    if (this.#api === 'ok' && refusal !== undefined)
      this.#warn(`${NO_STREAM} (${refusal.error.detail})`, refusal.againAtMs)
    this.#write(this.#said(live))
  }

  #write({ state, word, age }: { readonly state: string; readonly word: string; readonly age: string }): void {
    setAttribute(byId('live'), 'data-state', state)
    setText(byId('live-word'), word)
    setText(byId('live-age'), age)
  }

  #said({ stream, newestAtMs, isStale, nowMs }: LiveState): { state: string; word: string; age: string } {
    if (this.#api === 'limited') return { state: 'late', word: 'limited', age: '' }
    if (this.#api === 'away') return { state: 'away', word: 'API away', age: '' }
    if (stream === 'no host') return { state: 'waiting', word: 'no samples yet', age: '' }
    if (typeof stream === 'object')
      return { state: 'late', word: 'limited', age: `again in ${countdownText(stream.againAtMs - performance.now())}` }
    if (stream !== 'live') return { state: 'reconnecting', word: stream, age: '' }
    if (newestAtMs === 0) return { state: 'live', word: 'live', age: '' }
    return { state: isStale ? 'late' : 'live', word: 'live', age: `${ageText(nowMs - newestAtMs)} behind` }
  }
}
