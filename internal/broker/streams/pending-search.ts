import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { BrokerStats } from '../broker.ts'
import { idOf, type RawEntry } from './entry.ts'
import { type Claimed, type ClaimOptions, claim } from './scripts.ts'
import { SUSPECT_AFTER } from './suspect.ts'

export interface PendingSearchOptions {
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly key: string
  readonly partition: number
  readonly group: string
  readonly consumer: string
  readonly visibilityMs: number
  /** Claims end with the entry that reaches this size. */
  readonly maxBytes: number
  /** The ids of entries that this consumer has in its hands already. They are not delivered again. */
  readonly knownIds: () => Iterable<string>
  /** Called with an entry that is the consumer's and was delivered too often. */
  readonly suspect: (id: string, deliveries: number) => void
}

type PendingEntry = [id: string, owner: string, idleMs: number, deliveries: number]

/** Pending entries to deliver again, from `next` on. */
interface Found {
  readonly ids: readonly string[]
  readonly from: ClaimOptions['from']
  next: number
}

/** Pending entries looked at in one command, which Redis does in less than a millisecond. */
const PENDING_COUNT = 1000

/**
 * Finds the pending entries of a partition that this consumer must deliver again: its own from before, and those that
 * other consumers abandoned. Entries that were delivered too often are handed to the trials instead.
 *
 * XPENDING finds them and XCLAIM takes them. XREADGROUP would count a delivery for each entry that this consumer has in
 * its hands, and XAUTOCLAIM would return these entries again. Both would make healthy entries look like poison.
 */
export class PendingSearch {
  readonly #options: PendingSearchOptions
  /**
   * Where the search among the consumer's own pending entries goes on: `-` is the beginning; undefined when it is
   * complete.
   */
  #ownFrom: string | undefined = '-'
  /** Where the search for abandoned entries goes on. */
  #abandonedFrom = '-'
  /** By the monotonic timer, because the wall clock may be set back by hours. */
  #abandonedDueAtMs: number
  readonly #found: Found[] = []

  constructor(options: PendingSearchOptions) {
    this.#options = options
    this.#abandonedDueAtMs = this.#nextAbandonedAtMs()
  }

  /** Whether entries were found that `claimFound` has not claimed yet. */
  get hasFound(): boolean {
    return this.#found.length > 0
  }

  get ownIsDue(): boolean {
    return this.#ownFrom !== undefined
  }

  get abandonedIsDue(): boolean {
    return performance.now() >= this.#abandonedDueAtMs
  }

  /**
   * Searches the consumer's own pending entries from the beginning. Entries that were found and not claimed will be
   * found again.
   */
  restart(): void {
    this.#ownFrom = '-'
    this.#found.length = 0
  }

  /** Looks at the next 1,000 own entries. */
  async findOwn(client: Redis): Promise<void> {
    const { group, consumer, key } = this.#options
    const pending = (await client.xpending(
      ...([key, group, this.#ownFrom ?? '-', '+', PENDING_COUNT, consumer] as const),
    )) as PendingEntry[]
    this.#ownFrom = pending.length === PENDING_COUNT ? `(${pending.at(-1)![0]}` : undefined
    this.#addOwn(pending)
  }

  /**
   * Looks at the next 1,000 entries that have been idle for the visibility time. Some may be our own: entries that
   * Redis gave to a connection of this consumer which was dead already.
   */
  async findAbandoned(client: Redis): Promise<void> {
    const { group, consumer, key, visibilityMs, suspect } = this.#options
    const pending = (await client.xpending(
      ...([key, group, 'IDLE', visibilityMs, this.#abandonedFrom, '+', PENDING_COUNT] as const),
    )) as PendingEntry[]
    const more = pending.length === PENDING_COUNT
    this.#abandonedFrom = more ? `(${pending.at(-1)![0]}` : '-'
    if (!more) this.#abandonedDueAtMs = this.#nextAbandonedAtMs()
    this.#addOwn(pending.filter(([, owner]) => owner === consumer))

    const abandoned = pending.filter(([, owner]) => owner !== consumer)
    const from = { idleMs: visibilityMs }
    this.#add(abandoned, from)
    const deliveriesOf = new Map(abandoned.filter(isSuspect).map(([id, , , deliveries]) => [id, deliveries]))
    const { entries } = await this.#claim(client, [...deliveriesOf.keys()], from, true)
    for (const entry of entries) suspect(idOf(entry), deliveriesOf.get(idOf(entry))!)
  }

  /** Claims entries that were found, up to `maxBytes`. */
  async claimFound(client: Redis): Promise<RawEntry[]> {
    const found = this.#found[0]
    if (found === undefined) return []
    const { looked, entries } = await this.#claim(client, found.ids.slice(found.next), found.from, false)
    found.next += looked
    if (found.next >= found.ids.length) this.#found.shift()
    return entries
  }

  #addOwn(pending: readonly PendingEntry[]): void {
    const { knownIds, suspect } = this.#options
    if (pending.length === 0) return
    const known = new Set(knownIds())
    const unknown = pending.filter(([id]) => !known.has(id))
    for (const [id, , , deliveries] of unknown.filter(isSuspect)) suspect(id, deliveries)
    this.#add(unknown, 'own')
  }

  #add(pending: readonly PendingEntry[], from: Found['from']): void {
    const ids = pending.filter((each) => !isSuspect(each)).map(([id]) => id)
    if (ids.length > 0) this.#found.push({ ids, from, next: 0 })
  }

  async #claim(
    client: Redis,
    ids: readonly string[],
    from: Found['from'],
    idsOnly: boolean,
  ): Promise<Pick<Claimed, 'looked' | 'entries'>> {
    if (ids.length === 0) return { looked: 0, entries: [] }
    const { key, group, consumer, maxBytes, stats, logger, partition } = this.#options
    const { looked, trimmed, entries } = await claim(client, { key, group, consumer, from, maxBytes, idsOnly }, ids)
    stats.trimmedUnacked += trimmed
    if (from !== 'own' && entries.length > 0) {
      stats.claimed += entries.length
      logger.warn({ partition, entries: entries.length }, 'claimed entries that another consumer left unacked')
    }
    return { looked, entries }
  }

  /** With jitter, so that servers started together do not all ask at once. */
  #nextAbandonedAtMs(): number {
    return performance.now() + (this.#options.visibilityMs / 3) * (0.75 + Math.random() / 2)
  }
}

function isSuspect([, , , deliveries]: PendingEntry): boolean {
  return deliveries >= SUSPECT_AFTER
}
