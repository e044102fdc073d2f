import { eventId, lostEvent, MAX_EVENT_LENGTH, samplesEvents } from './event-stream.ts'
import type { LiveSeries } from './live-series.ts'

/** Takes the bytes for a client, such as a ServerResponse. */
export interface FeedSink {
  /** @returns false when the bytes wait in memory: write no more until the sink has drained */
  write(chunk: Buffer): boolean
  end(chunk: Buffer): void
  destroy(): void
}

/** What a client wants to see. A part that is left out lets everything through. */
export class FeedFilter {
  /** Equal for filters that let the same through. */
  readonly key: string
  readonly #hosts: ReadonlySet<string> | undefined
  readonly #measurements: ReadonlySet<string> | undefined

  constructor(hosts?: Iterable<string>, measurements?: Iterable<string>) {
    this.#hosts = hosts && new Set(hosts)
    this.#measurements = measurements && new Set(measurements)
    this.key = JSON.stringify([this.#hosts, this.#measurements].map((set) => (set ? [...set].sort() : null)))
  }

  passes(live: LiveSeries): boolean {
    if (this.#measurements !== undefined && !this.#measurements.has(live.series.measurement)) return false
    return this.#hosts === undefined || (live.host !== undefined && this.#hosts.has(live.host))
  }
}

/**
 * One client of the feed. While it is ready, it has been sent everything up to `generation`. While its sink is full, it
 * is owed a set of series, each once; their readings are looked up when they are sent.
 */
export class FeedClient {
  readonly filter: FeedFilter
  /** It was sent, or is owed, everything up to this generation. */
  generation = 0
  /** Readings that it will never get, since it joined. */
  lost = 0
  /** When its sink became full, ms; undefined while it is ready. */
  waitingSinceMs: number | undefined
  lastWriteMs = 0

  readonly #sink: FeedSink
  readonly #start: string
  readonly #maxOwed: number
  readonly #owed = new Set<LiveSeries>()
  #lostTold = 0

  /** @param maxOwed series that may wait; beyond it, those that waited longest are dropped */
  constructor(sink: FeedSink, filter: FeedFilter, start: string, maxOwed: number) {
    this.#sink = sink
    this.filter = filter
    this.#start = start
    this.#maxOwed = maxOwed
  }

  /**
   * Adds series to what the client is owed.
   *
   * @returns how many readings this lost: those that newer ones replace before they are sent, and those beyond the
   *   bound
   */
  owe(changed: Iterable<LiveSeries>): number {
    let lost = 0
    for (const live of changed) {
      if (!this.filter.passes(live)) continue
      if (this.#owed.has(live)) lost++
      else this.#owed.add(live)
    }
    for (const oldest of this.#owed) {
      if (this.#owed.size <= this.#maxOwed) break
      this.#owed.delete(oldest)
      lost++
    }
    this.lost += lost
    return lost
  }

  write(chunk: Buffer, nowMs: number): void {
    this.lastWriteMs = nowMs
    if (!this.#sink.write(chunk)) this.waitingSinceMs = nowMs
  }

  /** The sink has drained: sends what is owed, an event at a time, until nothing is left or the sink is full again. */
  resume(nowMs: number): void {
    this.waitingSinceMs = undefined
    if (this.lost > this.#lostTold) {
      this.write(lostEvent(this.lost - this.#lostTold), nowMs)
      this.#lostTold = this.lost
    }
    while (this.#owed.size > 0 && this.waitingSinceMs === undefined) this.#sendOwed(nowMs)
  }

  /** Sends the first event, even an empty one, then what else is owed. */
  begin(nowMs: number): void {
    this.#sendOwed(nowMs)
    if (this.waitingSinceMs === undefined) this.resume(nowMs)
  }

  /** One event of what is owed. */
  #sendOwed(nowMs: number): void {
    const event: LiveSeries[] = []
    let length = 0
    for (const live of this.#owed) {
      length += live.json().length + 1
      if (event.length > 0 && length > MAX_EVENT_LENGTH) break
      event.push(live)
      this.#owed.delete(live)
    }
    const id = this.#owed.size === 0 ? eventId(this.#start, this.generation) : undefined
    this.write(samplesEvents(event, id), nowMs)
  }

  end(chunk: Buffer): void {
    this.#sink.end(chunk)
  }

  destroy(): void {
    this.#sink.destroy()
  }
}
