import type { LiveSample } from '../shared/api.ts'
import { Newest, type Value } from './newest.ts'
import type { Line, Panel, Reader } from './panel.ts'
import { Silence } from './silence.ts'
import { Table } from './table.ts'

// Agents publish every second. A mean from history weighs as many of these samples as its bucket has.
const SAMPLE_EVERY_MS = 1000

// A time that goes back by more was set back: samples of two events may cross by less.
const SET_BACK_MS = 5000

// Live values that wait while history is on its way. One column alone fills it only after far longer than the API may take.
const MOST_WAITING = 2000

/** The data of one chart: history first, then live samples. */
export class PanelData {
  readonly panel: Panel
  table = new Table({ bucketMs: 1000, capacity: 1 })
  readonly #newest = new Newest()
  readonly #silence = new Silence()
  #liveReader: Reader
  #newestAtMs = -Infinity
  /** Whether history has been answered. Before that, an empty chart says nothing about the host. */
  isLoaded = false
  /** Whether that answer was the history, and no error. */
  hasHistory = false
  #follows = false
  #waiting: Value[] | undefined

  constructor(panel: Panel) {
    this.panel = panel
    this.#liveReader = panel.makeReader()
  }

  /**
   * The lines from the bottom up. A panel without lines has one for each column that the samples name. While the chart
   * follows live samples, these are the columns that are still measured; a window of the past has all of its columns.
   */
  get lines(): readonly Line[] {
    if (this.panel.lines.length > 0)
      return this.panel.lines.filter(({ column, isOptional }) => isOptional !== true || this.#has(column))
    const isPast = this.isLoaded && !this.#follows
    const columns = isPast
      ? this.table.names
      : [...new Set([...this.table.names, ...this.#newest.columns])].filter((column) => !this.#newest.isGone(column))
    return columns.map((column) => ({ column, label: column })).sort(byLabel)
  }

  #has(column: string): boolean {
    return this.table.cells(column).length > 0 || typeof this.#newest.of(column) === 'number'
  }

  /** The newest value, in full resolution even when the chart shows means of half hours. */
  newest(column: string): number | null {
    if (this.#silence.isSilent(column)) return null
    const live = this.#newest.of(column)
    return live === undefined ? this.table.latest(column) : live
  }

  /** The mean of what the chart shows; null where it shows nothing. */
  mean(column: string): number | null {
    const known = this.table.cells(column).filter((cell) => cell !== undefined && cell !== null)
    return known.length === 0 ? null : known.reduce((sum, cell) => sum + cell, 0) / known.length
  }

  /**
   * Takes one event of the live stream.
   *
   * @returns whether the clock of the host was set back, so that the chart has rows of later than now
   */
  takeLive(samples: readonly LiveSample[]): boolean {
    const values: Value[] = []
    const all = samples.filter(({ measurement }) => measurement === this.panel.measurement)
    for (const sample of all) this.#silence.note(sample)
    const ours = all.filter(({ stale }) => stale !== true).sort((a, b) => a.at - b.at)
    const wasSetBack = this.#noteTime(ours)
    for (const sample of ours) {
      this.#liveReader(sample, (column, atMs, value) => {
        this.#silence.feed(column, sample)
        values.push({ column, atMs, value })
      })
    }
    this.#newest.take(values)
    if (this.#follows) for (const { column, atMs, value } of values) this.table.put(column, atMs, value)
    this.#waiting?.push(...values)
    this.#waiting?.splice(0, this.#waiting.length - MOST_WAITING)
    return wasSetBack
  }

  /** The live stream has a new connection. */
  opened(): void {
    this.#silence.opened()
  }

  /** Since `opened` all series came that the API knows. */
  hasAll(): void {
    this.#silence.hasAll()
  }

  /** A reader of counters knows no rate between two times of which the second is earlier: it begins anew. */
  #noteTime(samples: readonly LiveSample[]): boolean {
    const newest = samples.at(-1)
    if (newest === undefined) return false
    const atMs = newest.at / 1000
    const wasSetBack = this.#newestAtMs - atMs > SET_BACK_MS
    this.#newestAtMs = wasSetBack ? atMs : Math.max(this.#newestAtMs, atMs)
    if (wasSetBack) this.#liveReader = this.panel.makeReader()
    return wasSetBack
  }

  /** To be called when history is asked for. Live values that come until `load` are put after that history. */
  expectHistory(): void {
    this.#waiting = []
  }

  /**
   * Replaces the content by history. If the chart `follows` live samples, those that came meanwhile are put after it; a window of
   * the past follows none. `untilMs` is the end of the history that was asked for.
   */
  load(
    samples: readonly LiveSample[] | 'failed',
    options: { bucketMs: number; rows: number; untilMs: number; follows: boolean },
  ): void {
    const table = new Table({ bucketMs: options.bucketMs, capacity: options.rows })
    const reader = this.panel.makeReader()
    for (const sample of samples === 'failed' ? [] : samples) {
      reader(sample, (column, atMs, value) => table.put(column, atMs, value))
    }
    if (options.follows) {
      table.weighNewest(options.untilMs, SAMPLE_EVERY_MS)
      for (const { column, atMs, value } of this.#waiting ?? []) table.put(column, atMs, value)
    }
    this.table = table
    this.#follows = options.follows
    this.#waiting = undefined
    this.isLoaded = true
    this.hasHistory = samples !== 'failed'
  }
}

function byLabel(a: Line, b: Line): number {
  return a.label.localeCompare(b.label, 'en', { numeric: true })
}
