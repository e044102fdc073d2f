import type { OutgoingMessage, Run } from './message.ts'

/** Messages on their way at a time, and their bytes: beyond them a broker that is slow or paused fills the outbox. */
const MAX_MESSAGES = 1000
const MAX_BYTES = 16 * 2 ** 20

/** Messages that the broker has not answered to. */
export class InFlight {
  /** Each with the end of its handling. */
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

  add(message: OutgoingMessage, handled: Promise<void>): void {
    this.#messages.set(message, handled)
    this.#bytes += message.payload.length
    this.#samples += message.samples
  }

  /** @returns false when it was taken out before */
  remove(message: OutgoingMessage): boolean {
    if (!this.#messages.delete(message)) return false
    this.#bytes -= message.payload.length
    this.#samples -= message.samples
    return true
  }

  /** Takes all out: their answers come too late to count. */
  removeAll(): OutgoingMessage[] {
    const messages = [...this.#messages.keys()]
    for (const message of messages) this.remove(message)
    return messages
  }

  oldestOf(source: Run): OutgoingMessage | undefined {
    let oldest: OutgoingMessage | undefined
    for (const message of this.#messages.keys()) {
      if (message.run === source && (oldest === undefined || message.seq < oldest.seq)) oldest = message
    }
    return oldest
  }

  /** Resolves when all that are here now have been answered and handled. */
  async handled(): Promise<void> {
    await Promise.all(this.#messages.values())
  }
}
