import type { Figure } from '../../internal/text/figure.ts'
import type { LiveSample } from '../shared/api.ts'
import type { Level } from '../shared/percent.ts'
import { CounterRates, MomentSum } from './rates.ts'
import { isStacked } from './stacked.ts'

/** Takes one value of a sample. A column that no panel lists beforehand is named for people, such as a disk by its path. */
type Put = (column: string, atMs: number, value: number | null) => void

/** Reads the values of a chart from samples, oldest first. It may keep state between samples, as rates of counters need it. */
export type Reader = (sample: LiveSample, put: Put) => void

export interface Line {
  readonly column: string
  readonly label: string
  /** What the label means, shown when the pointer rests on it. */
  readonly hint?: string
  /** The rest of a whole, such as free memory: a line without an area. */
  readonly isRest?: boolean
  /** Not all that is measured has it: the line is left out where there is no value. */
  readonly isOptional?: boolean
}

/** A figure of the headline: a mark before it ("↓"), words after its unit ("of 15.6 GiB"), a level where it has thresholds. */
export interface Headline {
  readonly mark?: string
  readonly figure: Figure | null
  readonly after?: string
  readonly level?: Level
}

/** One chart: which samples it asks for, how it reads them, and how it words them. Charts differ in nothing else. */
export interface Panel {
  readonly id: string
  readonly title: string
  readonly measurement: string
  readonly fields: readonly string[]
  /** `last` for counters: the page computes their rates itself. */
  readonly aggregate: 'mean' | 'last'
  readonly tag?: string
  /** Lines from the bottom up; empty where the samples name the columns. */
  readonly lines: readonly Line[]
  readonly stacked: boolean
  /** The axis: `percent` is always 0 to 100, `binary` has its marks at powers of two. */
  readonly axis: 'percent' | 'binary' | 'decimal'
  /** The smallest difference that `format` shows, on a decimal axis. */
  readonly leastStep?: number
  readonly format: (value: number) => Figure
  readonly makeReader: () => Reader
  readonly headline: (value: (column: string) => number | null, lines: readonly Line[]) => Headline[]
}

/** So that no sum and no rate of a chart is infinite. No unit names such a number, so the chart shows a gap. */
const LARGEST = 1e300

/** The number of a field; null when it is not a number. Integers beyond 2^53 come as text and lose their last digits only. */
export function numberOf(value: number | string | boolean | undefined): number | null {
  if (value === undefined || typeof value === 'boolean' || value === '') return null
  const number = Number(value)
  return Math.abs(number) <= LARGEST ? number : null
}

export const millisecondsOf = (sample: LiveSample): number => sample.at / 1000

/** Reads columns that are sums of fields. A sample with none of a column's fields gives that column no value. */
export function readFields(
  columns: Readonly<Record<string, readonly string[]>>,
  only?: (tags: LiveSample['tags']) => boolean,
): () => Reader {
  return () => (sample, put) => {
    if (only !== undefined && !only(sample.tags)) return
    for (const [column, fields] of Object.entries(columns)) {
      const values = fields.map((field) => numberOf(sample.fields[field])).filter((value) => value !== null)
      if (values.length === 0) continue
      const sum = values.reduce((total, value) => total + value)
      put(column, millisecondsOf(sample), sum)
    }
  }
}

/**
 * Reads the rates of counters, summed over the series that stand on no other and that `counts` accepts. `tag` tells the
 * series apart.
 */
export function readRates(
  columns: Readonly<Record<string, string>>,
  tag: string,
  counts: (name: string, others: { has(name: string): boolean }) => boolean,
): () => Reader {
  return () => {
    const rates = new CounterRates()
    const sums = new Map(Object.keys(columns).map((column) => [column, new MomentSum(counts)]))
    return (sample, put) => {
      const name = sample.tags[tag]
      if (name === undefined || isStacked(sample.tags)) return
      const atMs = millisecondsOf(sample)
      for (const [column, field] of Object.entries(columns)) {
        const value = numberOf(sample.fields[field])
        if (value === null) continue
        const rate = rates.next(`${column} ${name}`, atMs, value)
        if (rate === undefined) continue
        const sum = sums.get(column)!.add(name, atMs, rate)
        if (sum !== undefined) put(column, atMs, sum)
      }
    }
  }
}
