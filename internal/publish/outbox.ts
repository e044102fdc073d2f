import type { DropReason } from '../sample/ledger.ts'
import type { Journal } from './journal.ts'
import { isLastWord, type OutgoingMessage, type Run } from './message.ts'

export interface OutboxBounds {
  readonly maxBytes: number
  readonly maxAgeMs: number
}

export interface OutboxOptions extends OutboxBounds {
  /** Told of each message that is given up. */
  readonly onDrop: (reason: DropReason, message: OutgoingMessage) => void
  /** Keeps on disk what is held here, so that it survives the process. */
  readonly journal?: Journal | undefined
}

/** What a message costs beside its payload, bytes: without it, empty messages would never reach the bound. */
const OVERHEAD_BYTES = 128

/**
 * What is kept while nobody listens: that of earlier lives first, each in the order of seq. It is in memory, and in the journal where there
 * is one; a disk that is full or gone takes nothing away from it. Bounded by bytes and by age: the oldest goes first, and is counted.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #journal: Journal | undefined
  #bounds: OutboxBounds
  /** In the order of lives and seq; places before `#head` are empty. */
  #messages: Array<OutgoingMessage | undefined> = []
  #head = 0
  #bytes = 0
  #samples = 0

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#journal = options.journal
    this.#bounds = options
  }

  /** Drops, and counts, what is beyond a smaller bound: by size at once, by age when `expire` comes next. */
  setBounds(bounds: OutboxBounds): void {
    this.#bounds = bounds
    while (this.#bytes > bounds.maxBytes) this.#drop('outbox_full')
  }

  get size(): number {
    return this.#messages.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  get samples(): number {
    return this.#samples
  }

  get oldest(): OutgoingMessage | undefined {
    return this.#messages[this.#head]
  }

  oldestOf(source: Run): OutgoingMessage | undefined {
    const message = this.#messages[this.#placeOf(source, 0)]
    return message?.run === source ? message : undefined
  }

  /** Puts a message in its place, drops the oldest until all fits, and writes it to the journal if it is not there yet. */
  put(message: OutgoingMessage): void {
    this.#messages.splice(this.#placeOf(message.run, message.seq), 0, message)
    this.#bytes += cost(message)
    this.#samples += message.samples
    let isKept = true
    while (this.#bytes > this.#bounds.maxBytes) if (this.#drop('outbox_full') === message) isKept = false
    // After the drops: its record says what of its source has been withdrawn.
    if (isKept) this.#write(message)
  }

  /** Takes the oldest message out. It stays in the journal until `done`, so it may be put back. */
  take(): OutgoingMessage | undefined {
    const message = this.#messages[this.#head]
    if (message === undefined) return undefined
    this.#messages[this.#head++] = undefined
    this.#uncount(message)
    if (this.#head > 1024 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head)
      this.#head = 0
    }
    return message
  }

  /** A message that was here is sent, or given up. */
  done({ record }: OutgoingMessage): void {
    if (record !== undefined) this.#journal?.done(record)
  }

  /** Drops what has become too old, by `ticks`. */
  expire(nowTicks: number): void {
    const oldest = nowTicks - this.#bounds.maxAgeMs * 1000
    while (this.size > 0 && this.oldest!.madeAtTicks < oldest) this.#drop('outbox_age')
  }

  /** Gives up all that is left. */
  abandon(): void {
    while (this.size > 0) this.#drop('stopped')
  }

  /**
   * Leaves all that is here to the next process, and gives up what the disk does not take. The last words that are here are written once more,
   * for they tell what was withdrawn until now.
   */
  async leave(journal: Journal): Promise<void> {
    const held = this.#messages.slice(this.#head) as OutgoingMessage[]
    for (const message of held) {
      if (isLastWord(message)) journal.add(message)
      else this.#write(message)
    }
    const firstUnwritten = await journal.close()
    const isLost = ({ record = Infinity }: OutgoingMessage): boolean => record >= firstUnwritten
    this.#messages = held.filter((message) => !isLost(message))
    this.#head = 0
    for (const message of held.filter(isLost)) {
      this.#uncount(message)
      this.#options.onDrop('stopped', message)
    }
  }

  #write(message: OutgoingMessage): void {
    message.record ??= this.#journal?.add(message)
  }

  /** The place of a message, or of the first that comes behind it. */
  #placeOf({ order }: Run, seq: number): number {
    let low = this.#head
    let high = this.#messages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = this.#messages[middle]!
      if (at.run.order < order || (at.run.order === order && at.seq < seq)) low = middle + 1
      else high = middle
    }
    return low
  }

  #drop(reason: DropReason): OutgoingMessage | undefined {
    const message = this.take()
    if (message === undefined) return undefined
    this.done(message)
    this.#options.onDrop(reason, message)
    return message
  }

  #uncount(message: OutgoingMessage): void {
    this.#bytes -= cost(message)
    this.#samples -= message.samples
  }
}

function cost(message: OutgoingMessage): number {
  return message.payload.length + OVERHEAD_BYTES
}
