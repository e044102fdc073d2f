import type { PipelineSummary } from '../../internal/view/pipeline/figures.ts'
import type { GpuFigures, GpuList, LiveSample } from './api.ts'
import { type ApiError, refusalOf } from './api-error.ts'
import { EventParser, type StreamEvent } from './event-parser.ts'
import { request } from './request.ts'

export type StreamState = 'connecting' | 'live' | 'reconnecting' | StreamRefusal

/** The API answers, and does not give the stream: it wants another key (401, 403), or fewer requests (429). */
export interface StreamRefusal {
  readonly error: ApiError
  /** When the page asks again, by the monotonic timer, ms. */
  readonly againAtMs: number
}

/** Why the API does not give a stream; undefined where it does, or does not answer. */
export function refusalIn(state: StreamState | 'no host'): StreamRefusal | undefined {
  return typeof state === 'object' ? state : undefined
}

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
 * A live stream of the API, such as `/api/v1/live`, open until `close`. It is read by `fetch`, because an `EventSource` cannot send the key
 * in a header. After a break it comes back, and names the last event that it had.
 */
export class LiveStream {
  readonly #path: string
  readonly #events: StreamEvents
  #abort = new AbortController()
  #retry: ReturnType<typeof setTimeout> | undefined
  /** After a connection that ended, as the server wants it. */
  #comeBackMs = FIRST_RETRY_MS
  /** After an answer that is an error (the 502 of a proxy, the 429 of the API): it grows, where the answer does not ask for more. */
  #refusedMs = FIRST_RETRY_MS
  #lastEventId = ''
  #wasLive = false

  constructor(path: string, events: StreamEvents) {
    this.#path = path
    this.#events = events
    this.#open()
  }

  /** Starts anew, as after a break. It helps a connection that looks alive and brings nothing. */
  reopen(): void {
    this.close()
    this.#lastEventId = ''
    this.#events.state('reconnecting')
    this.#open()
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#abort.abort()
  }

  #open(): void {
    this.#abort = new AbortController()
    if (!this.#wasLive) this.#events.state('connecting')
    void this.#read(this.#abort.signal)
  }

  async #read(signal: AbortSignal): Promise<void> {
    let pauseMs = this.#comeBackMs
    let refusal: ApiError | undefined
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' }
      if (this.#lastEventId !== '') headers['last-event-id'] = this.#lastEventId
      const response = await request(this.#path, { signal, headers })
      if (response.ok && response.body !== null) {
        await this.#readBody(response.body, signal)
        pauseMs = this.#comeBackMs
      } else {
        refusal = await refusalOf(response)
        pauseMs = Math.max(refusal.retryMs, this.#refusedMs)
        this.#refusedMs = Math.min(this.#refusedMs * 2, LONGEST_RETRY_MS)
      }
    } catch {
      // The connection broke, or was never there.
    }
    if (signal.aborted) return
    if (refusal === undefined || refusal.state === 'away')
      this.#events.state(this.#wasLive ? 'reconnecting' : 'connecting')
    else this.#events.state({ error: refusal, againAtMs: performance.now() + pauseMs })
    this.#retry = setTimeout(() => this.#open(), pauseMs)
  }

  async #readBody(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    this.#refusedMs = FIRST_RETRY_MS
    this.#events.state('live')
    if (this.#wasLive) this.#events.missed()
    this.#wasLive = true
    const parser = new EventParser((event) => this.#take(event), this.#lastEventId)
    const decoder = new TextDecoder()
    const reader = body.getReader()
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (signal.aborted) return
      parser.push(decoder.decode(next.value, { stream: true }))
      this.#lastEventId = parser.lastEventId
      this.#comeBackMs = parser.retryMs ?? FIRST_RETRY_MS
    }
  }

  #take({ type, data, lastEventId }: StreamEvent): void {
    const events = this.#events
    if (type === 'samples') events.samples(JSON.parse(data), lastEventId.split('-', 1)[0]!)
    else if (type === 'pipeline') events.pipeline?.(JSON.parse(data))
    else if (type === 'gpus') events.gpus?.(JSON.parse(data))
    else if (type === 'figures') events.figures?.(JSON.parse(data))
    else if (type === 'lost') events.missed()
    else if (type === 'end') events.state('reconnecting')
  }
}
