import { afterAll, beforeAll, expect } from 'vitest'
import { isRefusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { type Series, SeriesTable } from '../sample/series.ts'
import type { FieldKind, Slot } from '../sample/value.ts'
import type { Batch, HistoryQuery, HistorySeries, Rejected, StoreReader, StoreWriter } from './store.ts'

/** An open store, with its own way to read all values: `history` gives only numbers. */
export interface OpenStore {
  readonly writer: StoreWriter
  readonly reader: StoreReader
  /**
   * All values of a field, by time. Numbers and booleans are formatted by `String`.
   */
  texts(measurement: string, field: string): Promise<string[]>
  /** Closes writer and reader. */
  close(): Promise<void>
}

/**
 * 10 January 2026, 0:00 UTC, in µs. The suite writes only within two days of it and just before 1970. The store must keep such samples.
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

/** The store under test, with shortcuts to write and query. */
export interface Harness extends Omit<OpenStore, 'close'> {
  /** Never aborts. */
  readonly signal: AbortSignal
  filled(samples: readonly Sample[]): Batch
  /** Writes as many batches as necessary, and returns the rejected samples. */
  write(samples: readonly Sample[]): Promise<Rejected[]>
  /** Writes the samples, and expects that none is rejected. */
  stored(samples: readonly Sample[]): Promise<void>
  /** Queries the last value of the whole day, unless the query says otherwise. */
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

/** A name that no other test uses, even in an earlier run on the same store. */
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
