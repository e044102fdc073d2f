import type { LiveSample } from '../shared/api.ts'
import type { Line, Panel, Reader } from './panel.ts'
import { Table } from './table.ts'

// Agents publish every second. A mean from history weighs as many of these samples as its bucket has.
const SAMPLE_EVERY_MS = 1000

// Live values that wait while history is on its way. One column alone fills it only after far longer than the API may take.
const MOST_WAITING = 2000

interface Value {
  readonly column: string
  readonly atMs: number
  readonly value: number | null
}

/** The data of one chart: history first, then live samples. */
export class PanelData {
  readonly panel: Panel
  table = new Table({ bucketMs: 1000, capacity: 1 })
  readonly #labels = new Map<string, string>()
  readonly #newest = new Map<string, number | null>()
  readonly #liveReader: Reader
  /** Whether history has been answered. Before that, an empty chart says nothing about the host. */
  isLoaded = false
  #follows = false
  #waiting: Value[] | undefined

  constructor(panel: Panel) {
    this.panel = panel
    this.#liveReader = panel.makeReader()
  }

  /** The lines from the bottom up. A panel without lines has one for each column that the samples name. */
  get lines(): readonly Line[] {
    if (this.panel.lines.length > 0) return this.panel.lines
    const found = this.table.names.map((column) => ({ column, label: this.#labels.get(column) ?? column }))
    return found.sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }))
  }

  /** The newest value, in full resolution even when the chart shows means of half hours. */
  newest(column: string): number | null {
    const live = this.#newest.get(column)
    return live === undefined ? this.table.latest(column) : live
  }

  /** The mean of what the chart shows; null where it shows nothing. */
  mean(column: string): number | null {
    const known = this.table.cells(column).filter((cell) => cell !== undefined && cell !== null)
    return known.length === 0 ? null : known.reduce((sum, cell) => sum + cell, 0) / known.length
  }

  takeLive(sample: LiveSample): void {
    if (sample.measurement !== this.panel.measurement) return
    this.#liveReader(sample, (column, atMs, value, label) => {
      this.#name(column, label)
      this.#newest.set(column, value)
      if (this.#follows) this.table.put(column, atMs, value)
      if (this.#waiting === undefined) return
      this.#waiting.push({ column, atMs, value })
      if (this.#waiting.length > MOST_WAITING) this.#waiting.shift()
    })
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
    samples: readonly LiveSample[],
    options: { bucketMs: number; rows: number; untilMs: number; follows: boolean },
  ): void {
    const table = new Table({ bucketMs: options.bucketMs, capacity: options.rows })
    const reader = this.panel.makeReader()
    for (const sample of samples) {
      reader(sample, (column, atMs, value, label) => {
        this.#name(column, label)
        table.put(column, atMs, value)
      })
    }
    if (options.follows) {
      table.weighNewest(options.untilMs, SAMPLE_EVERY_MS)
      for (const { column, atMs, value } of this.#waiting ?? []) table.put(column, atMs, value)
    }
    this.table = table
    this.#follows = options.follows
    this.#waiting = undefined
    this.isLoaded = true
  }

  #name(column: string, label: string | undefined): void {
    if (label === undefined || label.length >= (this.#labels.get(column)?.length ?? Infinity)) return
    this.#labels.set(column, label)
  }
}
