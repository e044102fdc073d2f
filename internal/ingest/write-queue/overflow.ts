import type { BatchQueue } from './batch-row.ts'
import type { BatchSpool } from './batch-spool.ts'

export interface OverflowOptions {
  readonly queue: BatchQueue
  readonly spool: BatchSpool
  /** Bound of what waits in memory while the store takes batches, bytes. */
  readonly maxBytes: number
  readonly on: {
    /** The store is still away: what is open should be sealed. */
    tick(): void
    /** Something was acked, or there is room on disk again. */
    relieved(): void
  }
}

/** How long the store must be away before batches go to the spool, and how often what is open follows them: what a kill then loses. */
const SPOOL_AFTER_MS = 1000
/** How often a disk is asked again that did not take what it was given. */
const FLUSH_AGAIN_MS = 1000

/**
 * Moves batches from memory to disk, the oldest first: all that wait once the store has been away for a second, and while it takes batches, but too
 * slowly, what is over the bound.
 */
export class Overflow {
  readonly #options: OverflowOptions
  /** May be set while it runs. */
  maxBytes: number
  readonly #queue: BatchQueue
  readonly #spool: BatchSpool
  #takesAll = false
  #awayTimer: NodeJS.Timeout | undefined
  #flushTimer: NodeJS.Timeout | undefined
  #isFlushing = false
  #isClosed = false

  constructor(options: OverflowOptions) {
    this.#options = options
    this.maxBytes = options.maxBytes
    this.#queue = options.queue
    this.#spool = options.spool
  }

  /** Batches should be on disk by now, and there is no room for them. */
  get isBlocked(): boolean {
    return this.#takesAll && this.#spool.isBlocked
  }

  storeAway(isAway: boolean): void {
    this.#takesAll = false
    clearInterval(this.#awayTimer)
    if (!isAway) return
    this.#awayTimer = setInterval(() => {
      this.#takesAll = true
      this.#options.on.tick()
    }, SPOOL_AFTER_MS)
  }

  /**
   * Moves what cannot stay.
   *
   * @param keepsNewest that one batch stays, to ask the store with another than the one that it does not take
   */
  relieve(keepsNewest: boolean): void {
    this.#move(() => this.#takesAll || this.#queue.bytes > this.maxBytes, keepsNewest)
  }

  /** Moves all that is in memory, and closes the spool. @returns samples of the spool that the disk did not take */
  async close(): Promise<number> {
    this.#isClosed = true
    clearInterval(this.#awayTimer)
    clearTimeout(this.#flushTimer)
    this.#spool.takeAll()
    while (this.#move(() => true, false)) await this.#spool.written()
    const gone = await this.#spool.close()
    this.#queue.turn('spooled', 'settled')
    this.#queue.ackSettled()
    return gone
  }

  /** @returns whether the disk is behind, and the rest has to wait for it */
  #move(isMore: () => boolean, keepsNewest: boolean): boolean {
    const kept = keepsNewest ? this.#queue.newest : undefined
    let answer: ReturnType<BatchSpool['put']> | undefined
    for (const entry of this.#queue) {
      if (!isMore() || this.#spool.isBlocked) break
      if (entry.state !== 'waiting' || entry === kept) continue
      answer = this.#spool.put({ ...entry, sentAt: entry.sentAt.subarray(0, entry.messages) })
      if (answer === 'full' || answer === 'busy') break
      this.#queue.giveBack(entry, answer === 'kept' ? 'spooled' : 'settled')
    }
    this.#queue.ackSettled()
    if (answer !== undefined) void this.#flush()
    return answer === 'busy'
  }

  /** What is in the spool is acked once the file system has it: a kill of the process loses nothing that was acked. */
  async #flush(): Promise<void> {
    if (this.#isFlushing || this.#isClosed) return
    this.#isFlushing = true
    const spooled = [...this.#queue].filter(({ state }) => state === 'spooled')
    const isWritten = await this.#spool.written()
    this.#isFlushing = false
    if (this.#isClosed) return
    // What has been replayed meanwhile needs no disk any more.
    if (isWritten || this.#spool.samples === 0) {
      for (const entry of spooled) entry.state = 'settled'
      this.#queue.ackSettled()
    }
    this.#options.on.relieved()
    if (![...this.#queue].some(({ state }) => state === 'spooled')) return
    clearTimeout(this.#flushTimer)
    if (isWritten) void this.#flush()
    else this.#flushTimer = setTimeout(() => void this.#flush(), FLUSH_AGAIN_MS)
  }
}
