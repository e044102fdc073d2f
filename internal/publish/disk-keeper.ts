import { type InFlight, SILENT_MS } from './in-flight.ts'
import type { Journal } from './journal.ts'
import { NotDurableError, type OutgoingMessage } from './message.ts'

/**
 * Puts the messages on disk that somebody waits for to be durable (`OutgoingMessage.onDurable`), and says so once the
 * file system has them. What a power cut takes is the last second at most: the log is synced that often.
 *
 * | when                                                        | which messages       |
 * |-------------------------------------------------------------|----------------------|
 * | before they leave, where the broker is only memory          | each                 |
 * | the broker does not take them                               | those that are held  |
 * | the broker has answered nothing for a second, and may never | all that are in flight |
 */
export class DiskKeeper {
  readonly #journal: Journal
  readonly #inFlight: InFlight
  #watching: NodeJS.Timeout | undefined

  constructor(journal: Journal, inFlight: InFlight) {
    this.#journal = journal
    this.#inFlight = inFlight
  }

  /** Writes a message that somebody waits for, if it is not on disk yet, and tells what became of it. */
  keep(message: OutgoingMessage): void {
    if (message.isAwaited) void this.#keep(message)
  }

  /** Looks after what is in flight now, until it is answered. */
  watch(): void {
    this.#watching ??= setTimeout(() => {
      this.#watching = undefined
      if (this.#inFlight.isSilent(performance.now())) for (const message of this.#inFlight) this.keep(message)
      if (this.#inFlight.size > 0) this.watch()
    }, SILENT_MS)
  }

  close(): void {
    clearTimeout(this.#watching)
    this.#watching = undefined
  }

  async #keep(message: OutgoingMessage): Promise<void> {
    while (message.record === undefined) {
      message.record = this.#journal.add(message)
      if (message.record !== undefined) break
      // It is full because the disk is slow, or refuses, or because the log has its size: only the first passes.
      if (!this.#journal.isBehind) return message.settle(new NotDurableError(this.#journal.problem))
      await this.#journal.written()
      if (!message.isAwaited) return
      if (this.#journal.isRefused) return message.settle(new NotDurableError(this.#journal.problem))
    }
    const { record } = message
    await this.#journal.written()
    message.settle(this.#journal.hasWritten(record) ? 'disk' : new NotDurableError(this.#journal.problem))
  }
}
