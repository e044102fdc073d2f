import { eventId, lostEvent, MAX_EVENT_LENGTH, samplesEvents } from './event-stream.ts'
import type { LiveSeries } from './live-series.ts'

/** Where a client's bytes go: a ServerResponse is one. */
export interface FeedSink {
  /** Returns false when the bytes wait in memory: write no more until the sink has drained. */
  write(chunk: Buffer): boolean
  end(chunk: Buffer): void
  destroy(): void
}

/** What a client wants to see; a part that is left out means everything. */
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

  lets(live: LiveSeries): boolean {
    if (this.#measurements !== undefined && !this.#measurements.has(live.series.measurement)) return false
    return this.#hosts === undefined || (live.host !== undefined && this.#hosts.has(live.host))
  }
}

/**
 * One client of the feed. It is either ready, and then has everything up to `generation`; or it waits for its sink to drain,
 * and then what it is owed stands in a set, each series once, whose readings are looked up only when they are sent.
 */
export class FeedClient {
  readonly filter: FeedFilter
  /** What it was sent, or is owed, reaches to here. */
  generation = 0
  /** Readings that it will never get, since its start. */
  lost = 0
  /** Since when its sink has not drained, ms; undefined while it is ready. */
  waitingSinceMs: number | undefined
  lastWriteMs = 0

  readonly #sink: FeedSink
  readonly #start: string
  readonly #maxOwed: number
  readonly #owed = new Set<LiveSeries>()
  #lostTold = 0

  /** @param maxOwed series that may wait for it; beyond, those that waited longest are given up */
  constructor(sink: FeedSink, filter: FeedFilter, start: string, maxOwed: number) {
    this.#sink = sink
    this.filter = filter
    this.#start = start
    this.#maxOwed = maxOwed
  }

  /**
   * Puts the readings on the account of a client that waits. @returns how many were lost by it: readings that newer ones
   * replaced before they were sent, and those beyond the bound.
   */
  owe(changed: Iterable<LiveSeries>): number {
    let lost = 0
    for (const live of changed) {
      if (!this.filter.lets(live)) continue
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

  /** The sink has drained: sends what is owed, an event at a time, until that is all or the sink is full again. */
  resume(nowMs: number): void {
    this.waitingSinceMs = undefined
    if (this.lost > this.#lostTold) {
      this.write(lostEvent(this.lost - this.#lostTold), nowMs)
      this.#lostTold = this.lost
    }
    while (this.#owed.size > 0 && this.waitingSinceMs === undefined) this.#settle(nowMs)
  }

  /** Sends the first event of what is owed, even when that is nothing. */
  begin(nowMs: number): void {
    this.#settle(nowMs)
    if (this.waitingSinceMs === undefined) this.resume(nowMs)
  }

  #settle(nowMs: number): void {
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
