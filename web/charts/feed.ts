import { ApiError } from '../shared/api-error.ts'
import type { ServerClock } from '../shared/clock.ts'
import { isLive, lengthOf, type Period, type TimeWindow } from '../shared/period.ts'
import { LiveStream, type StreamState } from '../shared/stream.ts'
import { bucketFor } from './axis.ts'
import { FeedData } from './feed-data.ts'
import { loadHistory } from './history.ts'
import type { Panel } from './panel.ts'
import { slowBucket } from './slow-bucket.ts'

// History is loaded again at most this often: after an error of the store, and after missed samples.
const RELOAD_MS = 5000
// When the API knows a sample that came later by this much, the stream looks alive and brings nothing.
const SILENT_STREAM_MS = 10_000

/** What a feed follows. */
export interface Subject {
  /** The resource that has the history, such as `hosts/web-01`. */
  readonly of: string
  /** What more tells which one it is: the fabric of a switch, the host of a GPU. */
  readonly narrowed?: Readonly<Record<string, string>>
  /** The path of its live stream; without one its history is loaded again and again. */
  readonly live?: string
  /** How often its values come, where they are counters that come in intervals of many buckets. */
  readonly intervalMs?: number
}

export interface FeedEvents {
  /** Live samples came, or the state of the stream changed. */
  changed(): void
  /** There are numbers to draw at once: the first ones, or the history of all charts (or its error). */
  ready(): void
  /** The history of a chart is there. */
  loaded(): void
}

/** Feeds the data of one host, GPU or port: its history, then its live samples, then its history again where samples were missed. */
export class Feed {
  readonly #clock: ServerClock
  readonly #plotWidth: () => number
  readonly #events: FeedEvents
  readonly #panels: readonly Panel[]
  data: FeedData
  #subject: Subject | undefined
  #stream: LiveStream | undefined
  #streamState: StreamState = 'connecting'
  #period: Period | null = null
  #reloadTimer: ReturnType<typeof setTimeout> | undefined
  #loadAbort = new AbortController()
  #loadedAtMs = -Infinity
  #loadError: ApiError | null = null
  #reopenedAfterMs = 0
  #bucketMs = 1000

  /** @param plotWidth of the charts, CSS pixels */
  constructor(clock: ServerClock, panels: readonly Panel[], plotWidth: () => number, events: FeedEvents) {
    this.#clock = clock
    this.#panels = panels
    this.data = new FeedData(panels)
    this.#plotWidth = plotWidth
    this.#events = events
  }

  get streamState(): StreamState {
    return this.#streamState
  }

  /** Why the last history could not be had; null when it came, or while it is on its way. */
  get loadError(): ApiError | null {
    return this.#loadError
  }

  /** The width of a bucket of the charts. */
  get bucketMs(): number {
    return this.#bucketMs
  }

  /** Begins anew with another subject. */
  follow(subject: Subject): void {
    this.data = new FeedData(this.#panels)
    this.#subject = subject
    this.open()
  }

  /** Opens the live stream of the subject, if there is one. */
  open(): void {
    this.close()
    if (this.#subject?.live === undefined) return
    this.#stream = new LiveStream(this.#subject.live, {
      samples: (samples, table) => {
        const isFirst = samples.length > 0 && this.data.newestAtMs === 0
        if (this.data.takeLive(samples, table)) this.#reloadSoon()
        // The first event has the newest sample of every series, so the numbers need not wait for more events or for the history.
        if (isFirst) this.#events.ready()
        else this.#events.changed()
      },
      state: (state) => {
        this.#streamState = state
        if (state === 'live') this.data.opened()
        this.#events.changed()
      },
      missed: () => this.#reloadSoon(),
    })
  }

  close(): void {
    this.#stream?.close()
    // So that nothing opens it anew.
    this.#stream = undefined
  }

  /** Opens the stream anew where it brings nothing, although samples have arrived at the API since; once for each silence. */
  checkStream(lastSeenAtMs: number): void {
    const { newestAtMs } = this.data
    if (newestAtMs === 0 || newestAtMs === this.#reopenedAfterMs || lastSeenAtMs - newestAtMs < SILENT_STREAM_MS) return
    this.#reopenedAfterMs = newestAtMs
    this.#stream?.reopen()
  }

  /** Now by the clock of the host, which its samples have. */
  get #hostNowMs(): number {
    return this.#clock.now() + this.data.clockOffsetMs
  }

  /** The part of time that the charts show. A live one ends at a whole second, so that all charts slide in the steps of the samples. */
  windowOf(period: Period): TimeWindow {
    if (!isLive(period)) return period
    const toMs = Math.floor(this.#hostNowMs / 1000) * 1000
    return { fromMs: toMs - lengthOf(period), toMs }
  }

  /** Drops the history that is on its way, and loads none until the next `load`. */
  cancelLoad(): void {
    this.#loadAbort.abort()
    clearTimeout(this.#reloadTimer)
    this.#period = null
  }

  /** Loads the history of the subject, in buckets of about a pixel, in place of what the charts show. Live samples continue a live period. */
  async load(period: Period): Promise<void> {
    this.cancelLoad()
    const subject = this.#subject
    if (subject === undefined) return
    this.#loadAbort = new AbortController()
    this.#period = period
    this.#loadedAtMs = performance.now()
    const { signal } = this.#loadAbort
    const window = this.windowOf(period)
    const { of, narrowed, intervalMs } = subject
    const rangeMs = lengthOf(period)
    this.#bucketMs = intervalMs === undefined ? bucketFor(rangeMs, this.#plotWidth()) : slowBucket(rangeMs, intervalMs)
    // The newest live sample may be newer than the whole second at which the window ends.
    const asked = isLive(period) ? { fromMs: window.fromMs, toMs: this.#hostNowMs } : window
    this.#loadError = null
    const { loaded } = this.#events
    loaded()
    try {
      const [bucketMs, follows] = [this.#bucketMs, isLive(period)]
      const resource = { of, ...(narrowed === undefined ? {} : { narrowed }) }
      await loadHistory(this.data.panels, { ...resource, window: asked, bucketMs, follows, signal, loaded })
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      this.#loadError = error
      if (error.status !== 404) this.#reloadSoon()
    }
    this.#events.ready()
  }

  #reloadSoon(): void {
    clearTimeout(this.#reloadTimer)
    const pauseMs = Math.max(0, this.#loadedAtMs + RELOAD_MS - performance.now())
    this.#reloadTimer = setTimeout(() => {
      if (this.#period !== null) this.load(this.#period)
    }, pauseMs)
  }
}
