/** A value; null for a gap that the chart shows; undefined where the column has no value and the line goes on. */
export type Cell = number | null | undefined

interface Column {
  readonly cells: Cell[]
  /** The start of the bucket that was written last, then the sum and count of its mean. */
  bucket: number
  sum: number
  count: number
  lastAt: number
  lastValue: number
}

/** Two values that are further apart than this many usual distances are not joined by a line. */
const GAP_FACTOR = 2.5
/** A bound for the memory of the page. The chart shows fewer lines, and chooses among all columns. */
const MOST_COLUMNS = 1000
const SPACINGS_KEPT = 9

/**
 * The content of one chart: rows of one time and several columns, oldest first, at most `capacity` of them. The values of one
 * bucket become their mean, like the buckets of the store, so live samples continue the history.
 */
export class Table {
  readonly times: number[] = []
  readonly bucketMs: number
  readonly #capacity: number
  readonly #columns = new Map<string, Column>()
  readonly #spacings: number[] = []

  constructor(options: { bucketMs: number; capacity: number }) {
    this.bucketMs = options.bucketMs
    this.#capacity = options.capacity
  }

  get names(): string[] {
    return [...this.#columns.keys()]
  }

  cells(name: string): readonly Cell[] {
    return this.#columns.get(name)?.cells ?? []
  }

  /** The newest known value of a column; null where there is none. */
  latest(name: string): number | null {
    return this.cells(name).findLast((cell) => cell !== undefined && cell !== null) ?? null
  }

  /** Puts a value, or null for a gap, at a time in ms. A value older than the newest row is left out. */
  put(name: string, at: number, value: number | null): void {
    const bucket = Math.floor(at / this.bucketMs) * this.bucketMs
    const newest = this.times.at(-1)
    if (newest !== undefined && bucket < newest) return
    const column = this.#column(name)
    if (column === undefined) return
    if (newest === undefined || bucket > newest) this.#addRow(bucket, newest)
    if (value === null) {
      column.cells[this.times.length - 1] ??= null
      return
    }
    if (column.bucket !== bucket) {
      if (bucket - column.bucket > GAP_FACTOR * this.#usualSpacing()) this.#breakLine(column)
      column.bucket = bucket
      column.sum = 0
      column.count = 0
    }
    if (column.count > 0 && at === column.lastAt) column.sum -= column.lastValue
    else column.count++
    column.sum += value
    column.lastAt = at
    column.lastValue = value
    column.cells[this.times.length - 1] = column.sum / column.count
  }

  /**
   * Gives the newest bucket the weight of all samples up to `nowMs`. History brings it as one mean of many samples. Without the
   * weight the next live sample would count as much as all of these, and the last point of a long range would jump.
   */
  weighNewest(nowMs: number, sampleEveryMs: number): void {
    for (const column of this.#columns.values()) {
      if (column.count !== 1) continue
      const samples = Math.round((Math.min(nowMs, column.bucket + this.bucketMs) - column.bucket) / sampleEveryMs)
      column.count = Math.max(samples, 1)
      column.sum = column.lastValue * column.count
      column.lastAt = -Infinity
    }
  }

  #column(name: string): Column | undefined {
    const known = this.#columns.get(name)
    if (known !== undefined) return known
    if (this.#columns.size >= MOST_COLUMNS) this.#dropEmpty()
    if (this.#columns.size >= MOST_COLUMNS) return undefined
    const cells = new Array<Cell>(this.times.length).fill(undefined)
    const column = { cells, bucket: Infinity, sum: 0, count: 0, lastAt: -Infinity, lastValue: 0 }
    this.#columns.set(name, column)
    return column
  }

  /** Makes room for a disk that is mounted now: those of hours ago have no value left. */
  #dropEmpty(): void {
    for (const [name, { cells }] of this.#columns) {
      if (cells.every((cell) => cell === undefined || cell === null)) this.#columns.delete(name)
    }
  }

  #addRow(time: number, before: number | undefined): void {
    if (before !== undefined) {
      this.#spacings.push(time - before)
      if (this.#spacings.length > SPACINGS_KEPT) this.#spacings.shift()
    }
    this.times.push(time)
    for (const column of this.#columns.values()) column.cells.push(undefined)
    while (this.times.length > this.#capacity) {
      this.times.shift()
      for (const column of this.#columns.values()) column.cells.shift()
    }
  }

  /** Puts a gap between a column's last value and the newest row. */
  #breakLine(column: Column): void {
    const last = this.times.length - 1
    if (last < 1) return
    if (this.times[last - 1]! > column.bucket) {
      column.cells[last - 1] ??= null
      return
    }
    this.times.splice(last, 0, column.bucket + this.bucketMs)
    for (const other of this.#columns.values()) other.cells.splice(last, 0, undefined)
    column.cells[last] = null
  }

  /** The median of the last distances: one outage does not change it, and an agent slower than the buckets does not count as an outage. */
  #usualSpacing(): number {
    const sorted = this.#spacings.toSorted((a, b) => a - b)
    return Math.max(sorted[sorted.length >> 1] ?? 0, this.bucketMs)
  }
}
