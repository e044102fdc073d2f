import type { LiveSample } from '../shared/api.ts'
import type { Line, Panel, Reader } from './panel.ts'
import { Table } from './table.ts'

// The agents publish every second; the weight of a loaded mean is counted in such samples.
const SAMPLE_EVERY_MS = 1000

// Live values wait here while history is on its way: for one column, far more seconds than the API's time limit.
const MOST_WAITING = 2000

interface Value {
  readonly column: string
  readonly atMs: number
  readonly value: number | null
}

/** The rows of one chart, from history and then live. */
export class PanelData {
  readonly panel: Panel
  table = new Table({ bucketMs: 1000, capacity: 1 })
  readonly #labels = new Map<string, string>()
  readonly #now = new Map<string, number | null>()
  readonly #liveReader: Reader
  /** Whether history was answered: before, an empty chart says nothing about the host. */
  isLoaded = false
  #follows = false
  #waiting: Value[] | undefined

  constructor(panel: Panel) {
    this.panel = panel
    this.#liveReader = panel.makeReader()
  }

  /** The lines from the bottom up; those of disks are known only when the host named its disks. */
  get lines(): readonly Line[] {
    if (this.panel.lines.length > 0) return this.panel.lines
    const found = this.table.names.map((column) => ({ column, label: this.#labels.get(column) ?? column }))
    return found.sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }))
  }

  /** What the host said last, in full resolution also when the chart shows means of half hours. */
  now(column: string): number | null {
    const live = this.#now.get(column)
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
      this.#now.set(column, value)
      if (this.#follows) this.table.put(column, atMs, value)
      if (this.#waiting === undefined) return
      this.#waiting.push({ column, atMs, value })
      if (this.#waiting.length > MOST_WAITING) this.#waiting.shift()
    })
  }

  /** To be called when history is asked for: the live values from now on belong after it. */
  expectHistory(): void {
    this.#waiting = []
  }

  /**
   * Starts the chart anew with history, then the live values that came meanwhile if it `follows` them (a piece of the past does
   * not). `untilMs` is the end of what was asked for.
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
