import type { Batch } from '../../store/store.ts'
import { RunSpans } from './run-spans.ts'

/** Kept for the next batches; beyond that (the store was away and the queue is being worked off) they are garbage. */
const MOST_SPARE = 8

/** A batch on its way, from its first sample until its acks are sent. */
export interface Entry {
  readonly batch: Batch
  /** By the monotonic timer, as all durations here: the wall clock may be set back by hours. */
  readonly openedAtMs: number
  /** Samples that no message brought. */
  own: number
  /** The last delivery whose samples are all in this batch or an earlier one; 0 where none ended here. */
  upTo: number
  /** `sentAt` of the messages that ended in this batch, µs: the first `messages` entries. */
  sentAt: Float64Array<ArrayBuffer>
  messages: number
  readonly sources: RunSpans
  /**
   * Held in memory while it is `open`, `waiting` for a slot, being written (`writing`) or `postponed` for a moment to let others go first.
   * Then it is given back: `spooled`, though the file system may not have it yet, or `settled`: stored, refused, dropped or on disk.
   */
  state: 'open' | 'waiting' | 'writing' | 'postponed' | 'spooled' | 'settled'
}

/**
 * Sealed batches, the oldest first. They are done with in any order, and acked strictly in this one: an ack is cumulative, so one that
 * has been given back stays as a place in the row until all before it are settled.
 */
export class BatchQueue {
  readonly #ack: (upTo: number) => void
  readonly #entries: Entry[] = []
  /** What settled batches had of messages, used again: at 100,000 messages/s the times alone would be 0.8 MB/s of garbage. */
  readonly #spare: Array<Pick<Entry, 'sentAt' | 'sources'>> = []
  #bytes = 0

  constructor(ack: (upTo: number) => void) {
    this.#ack = ack
  }

  /** Batches that are not acked. */
  get length(): number {
    return this.#entries.length
  }

  /** Size of what is in memory. */
  get bytes(): number {
    return this.#bytes
  }

  get newest(): Entry | undefined {
    return this.#entries.at(-1)
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#entries.values()
  }

  /** An entry for an empty batch: not in the queue before it is pushed. */
  entry(batch: Batch): Entry {
    const { sentAt, sources } = this.#spare.pop() ?? { sentAt: new Float64Array(1024), sources: new RunSpans() }
    return { batch, openedAtMs: performance.now(), own: 0, upTo: 0, sentAt, messages: 0, sources, state: 'open' }
  }

  push(entry: Entry): void {
    entry.state = 'waiting'
    this.#entries.push(entry)
    this.#bytes += entry.batch.bytes
  }

  /** The batch belongs to its writer again; its place stays. Acks nothing: see `ackSettled`. */
  giveBack(entry: Entry, state: 'spooled' | 'settled'): void {
    entry.state = state
    this.#bytes -= entry.batch.bytes
    this.recycle(entry)
  }

  /** Gives back a batch that was not pushed. */
  recycle({ batch, sentAt, sources }: Entry): void {
    batch.release()
    if (this.#spare.length === MOST_SPARE) return
    sources.clear()
    this.#spare.push({ sentAt, sources })
  }

  /** All in one state go into another. */
  turn(from: Entry['state'], to: Entry['state']): void {
    for (const entry of this.#entries) if (entry.state === from) entry.state = to
  }

  ackSettled(): void {
    while (this.#entries[0]?.state === 'settled') {
      const { upTo } = this.#entries.shift()!
      if (upTo > 0) this.#ack(upTo)
    }
  }
}

export function isInMemory({ state }: Entry): boolean {
  return state !== 'spooled' && state !== 'settled'
}
