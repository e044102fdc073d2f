import type { OutgoingMessage } from './message.ts'
import type { Run } from './run.ts'

/** The most messages and bytes in flight. Beyond them messages go to the outbox. */
const MAX_MESSAGES = 1000
const MAX_BYTES = 16 * 2 ** 20
/** The part of it that held messages may fill: the rest is for fresh ones. */
const FOR_HELD = 0.5

/** Messages that the broker has not answered. */
export class InFlight {
  /** Each with a promise that resolves when its answer has been dealt with. */
  readonly #messages = new Map<OutgoingMessage, Promise<void>>()
  #bytes = 0
  #samples = 0

  get size(): number {
    return this.#messages.size
  }

  get samples(): number {
    return this.#samples
  }

  get hasRoom(): boolean {
    return this.#messages.size < MAX_MESSAGES && this.#bytes < MAX_BYTES
  }

  get hasRoomForHeld(): boolean {
    return this.#messages.size < MAX_MESSAGES * FOR_HELD && this.#bytes < MAX_BYTES * FOR_HELD
  }

  add(message: OutgoingMessage, answered: Promise<void>): void {
    message.moveTo('inFlight')
    this.#messages.set(message, answered)
    this.#bytes += message.payload.length
    this.#samples += message.samples
  }

  /** @returns false when `removeAll` has taken the message out: the answer comes too late to count */
  remove(message: OutgoingMessage): boolean {
    if (!this.#messages.delete(message)) return false
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

  /** Resolves when the answers to all messages that are in flight now have been dealt with. */
  async answered(): Promise<void> {
    await Promise.all(this.#messages.values())
  }
}
