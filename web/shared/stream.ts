import type { PipelineSummary } from '../../internal/view/pipeline/figures.ts'
import type { GpuFigures, GpuList, LiveSample } from './api.ts'

export type StreamState = 'connecting' | 'live' | 'reconnecting'

/** What a stream brings: each of its events is one of these. */
export interface StreamEvents {
  /** @param table names the start of the API's table: the part before the dash of the last id */
  samples(samples: readonly LiveSample[], table: string): void
  pipeline?(summary: PipelineSummary): void
  /** All GPUs, or those of which something changed that is no figure. */
  gpus?(list: GpuList): void
  /** The figures of GPUs that changed. */
  figures?(figures: GpuFigures): void
  state(state: StreamState): void
  /** Samples may be missing: the stream is back after a break, or the server says that this client was too slow. */
  missed(): void
}

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 10_000

/**
 * A live stream of the API, such as `/api/v1/live`, open until `close`. The browser itself reconnects after a broken connection and names the last event it had.
 * It gives up when the answer is an error (the 502 of a proxy, the 503 of the API). Then the page tries again.
 */
export class LiveStream {
  readonly #path: string
  readonly #events: StreamEvents
  #source: EventSource | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #retryMs = FIRST_RETRY_MS
  #wasLive = false

  constructor(path: string, events: StreamEvents) {
    this.#path = path
    this.#events = events
    this.#open()
  }

  /** Starts anew, as after a break. It helps a connection that looks alive and brings nothing. */
  reopen(): void {
    this.#source?.close()
    clearTimeout(this.#retry)
    this.#events.state('reconnecting')
    this.#open()
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#source?.close()
  }

  #open(): void {
    const source = new EventSource(this.#path)
    this.#source = source
    if (!this.#wasLive) this.#events.state('connecting')
    source.addEventListener('open', () => {
      this.#retryMs = FIRST_RETRY_MS
      this.#events.state('live')
      if (this.#wasLive) this.#events.missed()
      this.#wasLive = true
    })
    source.addEventListener('samples', (event) => {
      this.#events.samples(JSON.parse(event.data), event.lastEventId.split('-', 1)[0]!)
    })
    source.addEventListener('pipeline', (event) => this.#events.pipeline?.(JSON.parse(event.data)))
    source.addEventListener('gpus', (event) => this.#events.gpus?.(JSON.parse(event.data)))
    source.addEventListener('figures', (event) => this.#events.figures?.(JSON.parse(event.data)))
    source.addEventListener('lost', () => this.#events.missed())
    source.addEventListener('end', () => this.#events.state('reconnecting'))
    source.addEventListener('error', () => {
      this.#events.state(this.#wasLive ? 'reconnecting' : 'connecting')
      if (source.readyState !== EventSource.CLOSED) return
      this.#retry = setTimeout(() => this.#open(), this.#retryMs)
      this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS)
    })
  }
}
