import { type Deferred, deferred } from '../../time/deferred.ts'

/** Holds up whoever awaits `passable` while it is shut. */
export class Gate {
  #open = true
  #change: Deferred<void> = deferred()

  get open(): boolean {
    return this.#open
  }

  /** Resolves while it is open, and when it is interrupted: then look again. */
  passable(): Promise<void> {
    return this.#open ? Promise.resolve() : this.#change.promise
  }

  set(open: boolean): void {
    if (open === this.#open) return
    this.#open = open
    this.interrupt()
  }

  /** Wakes all who wait. */
  interrupt(): void {
    this.#change.resolve()
    this.#change = deferred()
  }
}
