import { eventId, lostEvent, MAX_EVENT_LENGTH, samplesEvents } from './event-stream.ts'
import type { FeedFilter } from './feed-filter.ts'
import type { LiveSeries } from './live-series.ts'
import type { LiveTable } from './live-table.ts'
import { changesFor, type Round } from './round.ts'
import { type FeedSink, StreamClient } from './stream-client.ts'

/**
 * A client that wants readings. While it is ready, it has been sent everything up to `generation`. While its sink is
 * full, it is owed a set of series, each once; their readings are looked up when they are sent.
 */
export class FeedClient extends StreamClient {
  /** Readings that it will never get, since it joined. */
  lost = 0

  readonly #filter: FeedFilter
  readonly #start: string
  readonly #maxOwed: number
  readonly #owed = new Set<LiveSeries>()
  /** It was sent, or is owed, everything up to this generation. */
  #generation: number
  #lostTold = 0

  /**
   * @param since it has everything up to this generation, and is owed what changed after it
   * @param maxOwed series that may wait; beyond it, those that waited longest are dropped
   */
  constructor(
    sink: FeedSink,
    filter: FeedFilter,
    table: LiveTable,
    { since, maxOwed }: { since: number; maxOwed: number },
  ) {
    super(sink)
    this.#filter = filter
    this.#start = table.start
    this.#maxOwed = maxOwed
    this.#owe(changesFor(table, filter, since))
    this.#generation = table.generation
  }

  /** Sends the first event, even an empty one, then what else is owed. */
  begin(nowMs: number): void {
    this.#sendOwed(nowMs)
    if (this.waitingSinceMs === undefined) this.resume(nowMs)
  }

  send(round: Round, nowMs: number): boolean {
    const events = round.events(this.#filter, this.#generation)
    this.#generation = round.until
    if (events !== undefined) this.write(events, nowMs)
    return events !== undefined
  }

  /** @returns how many readings this lost: those that newer ones replace before they are sent, and those beyond the bound */
  wait(round: Round): number {
    const lost = this.#owe(round.changes(this.#filter, this.#generation))
    this.#generation = round.until
    return lost
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

  /** Adds series to what the client is owed. */
  #owe(changed: Iterable<LiveSeries>): number {
    let lost = 0
    for (const live of changed) {
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
    const id = this.#owed.size === 0 ? eventId(this.#start, this.#generation) : undefined
    this.write(samplesEvents(event, id), nowMs)
  }
}
