import { eventId, samplesEvents } from './event-stream.ts'
import type { FeedFilter } from './feed-filter.ts'
import type { LiveSeries } from './live-series.ts'
import type { LiveTable } from './live-table.ts'

/**
 * The series that changed after a generation and pass a filter, in the order in which they came. Of a filter with hosts
 * only the series of these are looked at.
 */
export function changesFor(table: LiveTable, filter: FeedFilter, since: number): LiveSeries[] {
  const { hosts } = filter
  if (hosts === undefined) return table.changedSince(since).filter((live) => filter.passes(live))
  const changed = [...hosts].flatMap((host) =>
    [...(table.byHost.get(host)?.series ?? [])].filter((live) => live.generation > since && filter.passes(live)),
  )
  return hosts.size === 1 ? changed : changed.sort((a, b) => a.number - b.number)
}

/** What changed between two ticks of the feed. Clients with the same filter share the search, and the bytes. */
export class Round {
  /** The table's generation at the last tick, and at this one. */
  readonly since: number
  readonly until: number
  readonly #table: LiveTable
  readonly #changes = new Map<string, LiveSeries[]>()
  readonly #events = new Map<string, Buffer>()

  constructor(table: LiveTable, since: number) {
    this.#table = table
    this.since = since
    this.until = table.generation
  }

  /** What changed for a client that has everything up to a generation: one that joined since the last tick has more than the others. */
  changes(filter: FeedFilter, has: number): LiveSeries[] {
    if (has !== this.since) return changesFor(this.#table, filter, has)
    let changes = this.#changes.get(filter.key)
    if (changes === undefined) {
      changes = changesFor(this.#table, filter, has)
      this.#changes.set(filter.key, changes)
    }
    return changes
  }

  /** The same as events; undefined when nothing changed. */
  events(filter: FeedFilter, has: number): Buffer | undefined {
    const changes = this.changes(filter, has)
    if (changes.length === 0) return undefined
    if (has !== this.since) return this.#encode(changes)
    let events = this.#events.get(filter.key)
    if (events === undefined) {
      events = this.#encode(changes)
      this.#events.set(filter.key, events)
    }
    return events
  }

  #encode(changes: readonly LiveSeries[]): Buffer {
    return samplesEvents(changes, eventId(this.#table.start, this.until))
  }
}
