import { type Deferred, deferred } from '../../time/deferred.ts'

/**
 * Open while the consumer takes entries. Readers wait here while it is shut: the consumer is paused, at its bound, or
 * tries suspects.
 */
export class ReadGate {
  #open = true
  #change: Deferred<void> = deferred()

  get open(): boolean {
    return this.#open
  }

  /**
   * Resolves at once while it is open, otherwise when it opens or `notifyWaiters` is called: the caller looks again.
   */
  whenChanged(): Promise<void> {
    return this.#open ? Promise.resolve() : this.#change.promise
  }

  set(open: boolean): void {
    if (open === this.#open) return
    this.#open = open
    this.notifyWaiters()
  }

  notifyWaiters(): void {
    this.#change.resolve()
    this.#change = deferred()
  }
}
