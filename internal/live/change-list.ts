import type { LiveSeries } from './live-series.ts'

/**
 * The series of a table in the order of their newest change: a linked list through the series themselves. A change
 * takes a few assignments and no allocation. Finding what changed takes as long as there are changes, however many
 * series the table has.
 */
export class ChangeList {
  #newest: LiveSeries | undefined

  /** Makes a series the newest, whether it is in the list or not. */
  moveToFront(live: LiveSeries): void {
    if (this.#newest === live) return
    this.remove(live)
    live.older = this.#newest
    if (this.#newest !== undefined) this.#newest.newer = live
    this.#newest = live
  }

  remove(live: LiveSeries): void {
    const { newer, older } = live
    if (newer !== undefined) newer.older = older
    if (older !== undefined) older.newer = newer
    if (this.#newest === live) this.#newest = older
    live.newer = undefined
    live.older = undefined
  }

  /** The series that changed after a generation, newest first. */
  since(generation: number): LiveSeries[] {
    const changed: LiveSeries[] = []
    for (let live = this.#newest; live !== undefined && live.generation > generation; live = live.older) {
      changed.push(live)
    }
    return changed
  }
}
