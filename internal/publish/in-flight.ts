import type { OutgoingMessage } from './message.ts'
import type { Run } from './run.ts'

/** The most messages and bytes in flight. Beyond them messages go to the outbox. */
const MAX_MESSAGES = 1000
const MAX_BYTES = 16 * 2 ** 20
/** Above this many bytes a maker of many messages waits, so that others find room beside its own. */
const BUSY_BYTES = MAX_BYTES / 4
/** The part of it that held messages may fill: the rest is for fresh ones. */
const FOR_HELD = 0.5
/**
 * Redis that has answered nothing for so long gets nothing more until it does: it stands still, and would hand on all at
 * once what thousands of publishers have sent meanwhile.
 */
export const SILENT_MS = 1000

/** Messages that the broker has not answered. */
export class InFlight implements Iterable<OutgoingMessage> {
  readonly #silentMs: number
  /** Each with a promise that resolves when its answer has been dealt with. */
  readonly #messages = new Map<OutgoingMessage, Promise<void>>()
  #bytes = 0
  #samples = 0
  /** When the last answer came, or the first message that waits for one left. */
  #silentSinceMs = 0

  /** @param silentMs an answer that is the ack of a store comes when it comes: then Infinity */
  constructor(silentMs = SILENT_MS) {
    this.#silentMs = silentMs
  }

  [Symbol.iterator](): Iterator<OutgoingMessage> {
    return this.#messages.keys()
  }

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#messages.size
  }

  get samples(): number {
    return this.#samples
  }

  hasRoom(nowMs: number): boolean {
    return !this.isSilent(nowMs) && this.#messages.size < MAX_MESSAGES && this.#bytes < MAX_BYTES
  }

  get isBusy(): boolean {
    return this.#bytes > BUSY_BYTES
  }

  hasRoomForHeld(nowMs: number): boolean {
    if (this.isSilent(nowMs)) return false
    return this.#messages.size < MAX_MESSAGES * FOR_HELD && this.#bytes < MAX_BYTES * FOR_HELD
  }

  add(message: OutgoingMessage, answered: Promise<void>, nowMs: number): void {
    if (this.#messages.size === 0) this.#silentSinceMs = nowMs
    message.moveTo('inFlight')
    this.#messages.set(message, answered)
    this.#bytes += message.payload.length
    this.#samples += message.samples
  }

  /** @returns false when `removeAll` has taken the message out: the answer comes too late to count */
  remove(message: OutgoingMessage): boolean {
    if (!this.#messages.delete(message)) return false
    this.#silentSinceMs = performance.now()
    this.#bytes -= message.payload.length
    this.#samples -= message.samples
    return true
  }

  removeAll(): OutgoingMessage[] {
    const messages = [...this.#messages.keys()]
    for (const message of messages) this.remove(message)
    return messages
  }

  oldestOf(run: Run): OutgoingMessage | undefined {
    let oldest: OutgoingMessage | undefined
    for (const message of this.#messages.keys()) {
      if (message.run === run && (oldest === undefined || message.seq < oldest.seq)) oldest = message
    }
    return oldest
  }

  /** Resolves when one more message has its answer. */
  async oneAnswered(): Promise<void> {
    await Promise.race(this.#messages.values())
  }

  /** Resolves when the answers to all messages that are in flight now have been dealt with. */
  async answered(): Promise<void> {
    await Promise.all(this.#messages.values())
  }

  /** Whether the broker owes answers, and has given none for a while. */
  isSilent(nowMs: number): boolean {
    return this.#messages.size > 0 && nowMs - this.#silentSinceMs >= this.#silentMs
  }
}
