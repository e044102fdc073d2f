import type { DropReason } from '../sample/ledger.ts'
import type { Journal } from './journal.ts'
import type { OutgoingMessage } from './message.ts'
import type { Run } from './run.ts'

export interface OutboxBounds {
  readonly maxBytes: number
  readonly maxAgeMs: number
}

export interface OutboxOptions extends OutboxBounds {
  /** Told of each message that the outbox gives up. */
  readonly onDrop: (reason: DropReason, message: OutgoingMessage) => void
  /** Keeps what is held on disk too, so that it survives the process. */
  readonly journal?: Journal | undefined
}

/** What a message costs beside its payload, bytes. Without it, empty messages would never reach the bound. */
const OVERHEAD_BYTES = 128

/**
 * The messages held while no server takes them: those of earlier runs first, each run in the order of seq. They are in
 * memory, and in the journal where there is one. A disk that is full or gone takes no message away. The outbox is
 * bounded by bytes and by age: the oldest message is given up first.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #journal: Journal | undefined
  #bounds: OutboxBounds
  /** In the order of runs and seq. The elements before `#head` are empty. */
  #messages: Array<OutgoingMessage | undefined> = []
  #head = 0
  #bytes = 0
  #samples = 0

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#journal = options.journal
    this.#bounds = options
  }

  /** Drops what no longer fits now, and what is too old at the next `expire`. */
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

  oldestOf(run: Run): OutgoingMessage | undefined {
    const message = this.#messages[this.#indexOf(run, 0)]
    return message?.run === run ? message : undefined
  }

  /** Holds a message, drops the oldest until all fit, and writes it to the journal if it is not there yet. */
  put(message: OutgoingMessage): void {
    message.moveTo('held')
    this.#messages.splice(this.#indexOf(message.run, message.seq), 0, message)
    this.#bytes += cost(message)
    this.#samples += message.samples
    let isStillHeld = true
    while (this.#bytes > this.#bounds.maxBytes) if (this.#drop('outbox_full') === message) isStillHeld = false
    // Only after the drops: the record says what its run has withdrawn so far.
    if (isStillHeld) this.#write(message)
  }

  /**
   * Takes the oldest message out. Its record stays in the journal until `forget`, because the message may come back.
   */
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

  /** A message that was taken out is sent or withdrawn. */
  forget({ record }: OutgoingMessage): void {
    if (record !== undefined) this.#journal?.forget(record)
  }

  /** Drops what is too old at this uptime of the machine. */
  expire(uptimeUs: number): void {
    const oldestUptimeUs = uptimeUs - this.#bounds.maxAgeMs * 1000
    while (this.size > 0 && this.oldest!.madeAtUptimeUs < oldestUptimeUs) this.#drop('outbox_age')
  }

  /** Gives up all that is held. */
  abandon(): void {
    while (this.size > 0) this.#drop('stopped')
  }

  /**
   * Leaves all that is held to the next process, and gives up what the disk does not take. End markers are written once
   * more, because a newer record says what their runs have withdrawn until now.
   */
  async leave(journal: Journal): Promise<void> {
    const held = this.#messages.slice(this.#head) as OutgoingMessage[]
    for (const message of held) {
      if (message.isEndMarker) journal.add(message)
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

  /** The index of a message, or of the first one behind where it would be. */
  #indexOf({ order }: Run, seq: number): number {
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
    this.forget(message)
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
