import type { DropReason } from '../sample/ledger.ts'

/** A message with what must be known of it while it is on its way. */
export interface OutgoingMessage {
  readonly payload: Buffer
  readonly seq: number
  /** How many samples were numbered before its own. */
  readonly firstSample: number
  /** How many samples it carries: none for one that only says "I am alive". */
  readonly samples: number
  /** When it was made, µs since the epoch. */
  readonly madeAt: number
}

export interface OutboxLimits {
  readonly maxBytes: number
  readonly maxAgeMs: number
}

/** What a message costs beside its payload, bytes: without it, empty messages would never reach the bound. */
const OVERHEAD_BYTES = 128

/**
 * What is kept while nobody listens, in the order of seq, in memory. Bounded by bytes and by age: the oldest goes first, and is
 * counted.
 */
export class Outbox {
  readonly #limits: OutboxLimits
  readonly #onDrop: (reason: DropReason, message: OutgoingMessage) => void
  /** In the order of seq; places before `#head` are empty. */
  #messages: Array<OutgoingMessage | undefined> = []
  #head = 0
  #bytes = 0
  #samples = 0

  constructor(limits: OutboxLimits, onDrop: (reason: DropReason, message: OutgoingMessage) => void) {
    this.#limits = limits
    this.#onDrop = onDrop
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

  /** Puts a message in its place, and drops the oldest until all fits. */
  put(message: OutgoingMessage): void {
    this.#messages.splice(this.#placeOf(message.seq), 0, message)
    this.#bytes += cost(message)
    this.#samples += message.samples
    while (this.#bytes > this.#limits.maxBytes) this.#drop('outbox_full')
  }

  /** Takes the oldest message out, if there is one that is not too old. */
  take(nowUs: number): OutgoingMessage | undefined {
    this.expire(nowUs)
    return this.#shift()
  }

  /** Drops what has become too old. */
  expire(nowUs: number): void {
    const oldest = nowUs - this.#limits.maxAgeMs * 1000
    while (this.size > 0 && this.#messages[this.#head]!.madeAt < oldest) this.#drop('outbox_age')
  }

  /** Gives up all that is left. */
  abandon(reason: DropReason): void {
    while (this.size > 0) this.#drop(reason)
  }

  /** Fresh messages belong at the end; those that were on their way once more belong near the front. */
  #placeOf(seq: number): number {
    let low = this.#head
    let high = this.#messages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#messages[middle]!.seq < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  #drop(reason: DropReason): void {
    const message = this.#shift()
    if (message !== undefined) this.#onDrop(reason, message)
  }

  #shift(): OutgoingMessage | undefined {
    const message = this.#messages[this.#head]
    if (message === undefined) return undefined
    this.#messages[this.#head++] = undefined
    this.#bytes -= cost(message)
    this.#samples -= message.samples
    if (this.#head > 1024 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head)
      this.#head = 0
    }
    return message
  }
}

function cost(message: OutgoingMessage): number {
  return message.payload.length + OVERHEAD_BYTES
}
