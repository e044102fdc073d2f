/** One value of a column. */
export interface Value {
  readonly column: string
  readonly atMs: number
  readonly value: number | null
}

interface Entry {
  readonly atMs: number
  /** How long after the value before it this one came. */
  readonly everyMs: number
  readonly value: number | null
}

/** A column without a value for this long, or for three of its intervals, is gone: its disk was unmounted. */
const GONE_MS = 5000
/** Taken for the interval of a column until its second value. */
const FIRST_INTERVAL_MS = 1000
/** Columns that are gone are forgotten beyond this: on a machine with containers, mounts come and go for ever. */
const MOST_COLUMNS = 1000

/** The newest live value of each column of a chart, and which columns are no longer measured. */
export class Newest {
  readonly #entries = new Map<string, Entry>()
  /** The time of the newest values; undefined before the first. */
  #tickMs: number | undefined

  get columns(): Iterable<string> {
    return this.#entries.keys()
  }

  /** @returns undefined for a column that never had a live value */
  of(column: string): number | null | undefined {
    return this.#entries.get(column)?.value
  }

  /**
   * Whether the other columns were measured lately, and this one was not. While nothing at all is measured, nothing is
   * gone. The first live events have the newest sample of every series, so a column without one is gone for a day.
   */
  isGone(column: string): boolean {
    if (this.#tickMs === undefined) return false
    const entry = this.#entries.get(column)
    return entry === undefined || this.#tickMs - entry.atMs > Math.max(GONE_MS, 3 * entry.everyMs)
  }

  /** Takes the values of one live event, oldest first. */
  take(values: readonly Value[]): void {
    const newest = values.at(-1)
    if (newest === undefined) return
    // A snapshot brings older values of what is gone. But if all go back, the clock of the host was set.
    const wasSetBack = values.every(({ column, atMs }) => atMs < (this.#entries.get(column)?.atMs ?? -Infinity))
    if (wasSetBack) this.#entries.clear()
    if (wasSetBack || newest.atMs > (this.#tickMs ?? -Infinity)) this.#tickMs = newest.atMs
    for (const { column, atMs, value } of values) {
      const before = this.#entries.get(column)
      const passedMs = atMs - (before?.atMs ?? atMs)
      if (passedMs < 0) continue
      this.#entries.set(column, { atMs, everyMs: passedMs || (before?.everyMs ?? FIRST_INTERVAL_MS), value })
    }
    if (this.#entries.size > MOST_COLUMNS) this.#forgetGone()
  }

  #forgetGone(): void {
    for (const column of this.#entries.keys()) if (this.isGone(column)) this.#entries.delete(column)
  }
}
