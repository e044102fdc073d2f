import type { Snapshot } from './snapshot.ts'

/** More are answered each time they ask. */
const MOST = 10_000

/** Who has been given the snapshot of now. The next one begins anew. */
export class Askers {
  #snapshot: Snapshot | undefined
  readonly #served = new Set<string>()

  /** @returns whether this client was given this snapshot before. From now on it was */
  hasAsked(client: string, snapshot: Snapshot): boolean {
    if (snapshot !== this.#snapshot) this.#served.clear()
    this.#snapshot = snapshot
    if (this.#served.has(client)) return true
    if (this.#served.size < MOST) this.#served.add(client)
    return false
  }
}
