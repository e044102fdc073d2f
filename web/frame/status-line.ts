import { ageText } from '../../internal/text/duration.ts'
import type { ApiError, ApiState } from '../shared/api.ts'
import { byId, setAttribute, setText } from '../shared/dom.ts'
import type { StreamState } from '../shared/stream.ts'
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
    byId('banner').hidden = true
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
      this.#countDown()
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

  #countDown(): void {
    const leftMs = this.#limitedUntilMs - performance.now()
    setText(
      byId('banner-text'),
      `The server takes no more requests from here for now: one address, or one key, may ask only so often. The page goes on by itself in ${countdownText(leftMs)}.`,
    )
  }

  draw(live: LiveState): void {
    if (this.#api === 'limited') this.#countDown()
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
    if (stream !== 'live') return { state: 'reconnecting', word: stream, age: '' }
    if (newestAtMs === 0) return { state: 'live', word: 'live', age: '' }
    return { state: isStale ? 'late' : 'live', word: 'live', age: `${ageText(nowMs - newestAtMs)} behind` }
  }
}
