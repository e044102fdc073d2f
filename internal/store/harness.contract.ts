import { afterAll, beforeAll, expect } from 'vitest'
import { isRefusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { type Series, SeriesTable } from '../sample/series.ts'
import type { FieldKind, Slot } from '../sample/value.ts'
import type { Batch, HistoryQuery, HistorySeries, Rejected, StoreReader, StoreWriter } from './store.ts'

/** One open store, with a way of its own to see what stands in it: `history` answers numbers only. */
export interface OpenStore {
  readonly writer: StoreWriter
  readonly reader: StoreReader
  /**
   * Every value of a field, in the order of time: strings as they are, numbers and booleans as `String` writes them.
   */
  texts(measurement: string, field: string): Promise<string[]>
  /** Closes writer and reader. */
  close(): Promise<void>
}

/**
 * 10 January 2026, 0:00 UTC, in µs. All that the suite writes lies within two days of it, or just before 1970: the
 * store must keep that.
 */
export const CONTRACT_DAY_US = Date.UTC(2026, 0, 10) * 1000

export const SECOND_US = 1_000_000
export const HOUR_US = 3600 * SECOND_US
export const DAY_US = 24 * HOUR_US

const WHOLE_DAY = {
  fields: [],
  tags: {},
  startUs: CONTRACT_DAY_US,
  endUs: CONTRACT_DAY_US + DAY_US,
  everyUs: DAY_US,
  aggregate: 'last',
} as const satisfies Omit<HistoryQuery, 'measurement'>

/** The store under test, with short ways to fill and to ask it. */
export interface Harness extends Omit<OpenStore, 'close'> {
  /** Never aborts. */
  readonly signal: AbortSignal
  filled(samples: readonly Sample[]): Batch
  /** Writes as many batches as it takes, and gives back what the store refused. */
  write(samples: readonly Sample[]): Promise<Rejected[]>
  /** Writes them, and expects the store to refuse none. */
  stored(samples: readonly Sample[]): Promise<void>
  /** Asks for the last value of the whole day, but for what the query says. */
  history(query: Partial<HistoryQuery> & { measurement: string }, signal?: AbortSignal): Promise<HistorySeries[]>
}

/** Opens the store before the first test of a suite and closes it after the last. */
export function harnessOf(open: () => Promise<OpenStore>): Harness {
  let store: OpenStore
  beforeAll(async () => {
    store = await open()
  })
  afterAll(async () => {
    await store?.close()
  })
  const harness: Harness = {
    signal: new AbortController().signal,
    get writer() {
      return store.writer
    },
    get reader() {
      return store.reader
    },
    texts: (measurement, field) => store.texts(measurement, field),
    filled(samples) {
      const batch = store.writer.openBatch()
      for (const sample of samples) {
        const answer = batch.add(sample)
        if (answer !== undefined) throw new Error(`not taken: ${JSON.stringify(answer)}`)
      }
      return batch
    },
    async write(samples) {
      const rejected: Rejected[] = []
      const most = store.writer.limits.maxSamples
      for (let from = 0; from < samples.length; from += most) {
        const batch = harness.filled(samples.slice(from, from + most))
        const result = await store.writer.write(batch, harness.signal)
        if (result.next !== 'ack') throw new Error(`${result.next}: ${result.problem}`)
        rejected.push(...result.rejected)
        batch.release()
      }
      return rejected
    },
    async stored(samples) {
      expect(await harness.write(samples)).toEqual([])
    },
    history: (query, signal = harness.signal) => store.reader.history({ ...WHOLE_DAY, ...query }, signal),
  }
  return harness
}

let names = 0
const run = Date.now().toString(36)

/** A name that no test has used, nor an earlier run in the same store. */
export function newName(what: string): string {
  return `${what}_${run}_${++names}`
}

export function newSeries(
  fields: Readonly<Record<string, FieldKind>>,
  tags: Readonly<Record<string, string>> = {},
  measurement = newName('m'),
): Series {
  const series = new SeriesTable().intern(measurement, Object.entries(tags), 0)
  if (isRefusal(series)) throw new Error(series.detail)
  for (const [name, kind] of Object.entries(fields)) {
    const index = series.field(name, kind)
    if (isRefusal(index)) throw new Error(index.detail)
  }
  return series
}

export function sampleOf(series: Series, values: readonly Slot[], at: number, tie = 0): Sample {
  return { series, values: [...values], at, tie }
}
