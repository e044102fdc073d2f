import type { Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { FieldKind, FieldValue } from '../sample/value.ts'
import { countText } from '../text/count.ts'

/** What the write queue must know about a store. */
export interface WriteLimits {
  /** A batch is full at `maxSamples` or `maxBytes`, whichever comes first. */
  readonly maxSamples: number
  readonly maxBytes: number
  /** Writes of fresh batches that may run concurrently. */
  readonly inFlight: number
  /** Writes from the spool that may run beside them; 0 where they share those of `inFlight`. */
  readonly replays: number
}

/**
 * Samples on their way to a store. `add` encodes them. A batch is pooled: after `release` it belongs to the writer again.
 */
export interface Batch {
  readonly samples: number
  readonly bytes: number
  /**
   * Adds a copy of a sample.
   *
   * @returns undefined when the sample is in the batch, `full` when the batch must be sealed first, or why no store takes the sample
   */
  add(sample: Sample): 'full' | Refusal | undefined
  /** A copy of its samples as bytes. `StoreWriter.batchOf` makes a batch of them again. */
  toRecord(): Buffer
  release(): void
}

/** A sample that the store will never take. */
export interface Rejected {
  /** Index of the sample in the batch, in the order of `add`; -1 when the store did not say which. */
  readonly index: number
  /**
   * The sample as line protocol. When the store did not say which samples it left out, the first entry lists every candidate, and the
   * others are ''.
   */
  readonly line: string
  readonly refusal: Refusal
}

/** What became of a batch. */
export type WriteResult =
  /**
   * Every sample is stored or rejected. Queries find the stored ones. `refusedMeasurements` are those of which the store took no sample of
   * the batch; absent where it took some of each.
   */
  | {
      readonly next: 'ack'
      readonly rejected: readonly Rejected[]
      readonly refusedMeasurements?: readonly string[]
    }
  /**
   * Nothing is decided: write the same batch again, after `afterMs` if given. `retry` and `wait` mean that the store takes nothing now;
   * with `wait` a person must act (token, bucket). `postpone` means that only this batch is known to fail: write others first.
   */
  | {
      readonly next: 'retry' | 'wait' | 'postpone'
      readonly problem: string
      readonly afterMs?: number
      readonly cause?: unknown
    }

/**
 * Writes batches. Up to `limits.inFlight + limits.replays` calls of `write` may run concurrently. Writing a batch twice changes nothing.
 */
export interface StoreWriter {
  readonly limits: WriteLimits
  /** Never fails. The write queue bounds how many batches are open. */
  openBatch(): Batch
  /**
   * A batch of the samples in a record, in the same order. A batch of any store may have made the record. The batch then owns the record's
   * memory.
   *
   * @throws RangeError when the bytes are not a record
   */
  batchOf(record: Buffer): Batch
  /** Never rejects: a failure is a WriteResult too. */
  write(batch: Batch, signal: AbortSignal): Promise<WriteResult>
  /** Connects and checks whether writing would work. Resolves with '' or with what is wrong and what to do. */
  check(signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

export type Aggregate = 'mean' | 'min' | 'max' | 'last' | 'p50' | 'p90' | 'p99'

/** The range `[startUs, endUs)` in buckets of `everyUs`, counted from the epoch. Buckets without a value are left out. */
export interface HistoryQuery {
  readonly measurement: string
  readonly fields: readonly string[]
  /** All must match. An empty value matches series without the tag. */
  readonly tags: Readonly<Record<string, string>>
  readonly startUs: number
  readonly endUs: number
  readonly everyUs: number
  readonly aggregate: Aggregate
}

/** Start of a bucket in µs, and its value. An integer that a number cannot hold is the text of its digits (`exactNumber`). */
export type HistoryPoint = readonly [atUs: number, value: number | string]

export interface HistorySeries {
  readonly tags: Readonly<Record<string, string>>
  readonly field: string
  /** Ascending. */
  readonly points: readonly HistoryPoint[]
}

/**
 * The order of tag sets in an answer. Compares keys and values one after the other, by UTF-16 units. A shorter set comes before a longer
 * one that begins with it.
 */
export function bySeries(a: Pick<HistorySeries, 'tags'>, b: Pick<HistorySeries, 'tags'>): number {
  const x = Object.entries(a.tags).sort(byText).flat()
  const y = Object.entries(b.tags).sort(byText).flat()
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] !== y[i]) return x[i]! < y[i]! ? -1 : 1
  }
  return x.length - y.length
}

function byText([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1
}

/** The samples of a range `[startUs, endUs)` as they were stored. */
export interface RowsQuery {
  readonly measurement: string
  /** As in a history. */
  readonly tags: Readonly<Record<string, string>>
  /** Only these, and samples that have one of them; undefined for every field. */
  readonly fields?: readonly string[]
  readonly startUs: number
  readonly endUs: number
  /** Which samples come first, and are given where there are more than `limit`. */
  readonly first: 'oldest' | 'newest'
  readonly limit: number
}

/** A stored sample. */
export interface StoredRow {
  readonly tags: Readonly<Record<string, string>>
  /** µs; nanoseconds below are cut off. */
  readonly at: number
  /** Its values by field. */
  readonly values: ReadonlyMap<string, FieldValue>
}

/** The newest sample of each series of a measurement. */
export interface NewestQuery {
  readonly measurement: string
  readonly sinceUs: number
  /** Whether the values are wanted too; without them a store need not read them. */
  readonly values: boolean
}

export interface KnownHost {
  readonly host: string
  /** Time of the host's newest sample, µs. */
  readonly lastSeenAt: number
}

/** What is exported as a file. */
export type ParquetQuery = Pick<RowsQuery, 'measurement' | 'tags' | 'fields' | 'startUs' | 'endUs'>

/** A store that says how long it keeps samples. */
export interface KnowsRetention {
  /** In ms: Infinity where it keeps them for ever, undefined where it does not say. Rejects while it cannot be asked. */
  retentionMs(signal: AbortSignal): Promise<number | undefined>
}

/** Reads samples. Rejects with a StoreError: `too_much` for a history of more than MAX_HISTORY_POINTS. */
export interface StoreReader {
  /** Every value of the tag `host` with a sample since `sinceUs`, in no order. */
  hosts(sinceUs: number, signal: AbortSignal): Promise<KnownHost[]>
  /** Whether any sample that the store still keeps has this value of the tag `host`. */
  hasHost(host: string, signal: AbortSignal): Promise<boolean>
  /**
   * One entry for each field and tag set that has a point, sorted by field (in the order of the query), then `bySeries`. Numbers and
   * booleans only. A boolean is 0 or 1 in a min, max or last, and has no mean and no percentile. A mean is computed in doubles; a bucket
   * whose mean is beyond the largest double has no point.
   */
  history(query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]>
  /**
   * The samples of a range, at most `limit`, in the order of their times; those of one µs by their tags, as `bySeries` has them. Values that
   * are written again count once.
   */
  rows(query: RowsQuery, signal: AbortSignal): Promise<StoredRow[]>
  /** The newest sample of each series since a time, in no order. */
  newest(query: NewestQuery, signal: AbortSignal): Promise<StoredRow[]>
  /** The fields of a measurement with their kinds, in no order; empty where it is not known. */
  fieldKinds(measurement: string, signal: AbortSignal): Promise<ReadonlyMap<string, FieldKind>>
  /**
   * Writes the samples of a range to a file in Apache Parquet: a column `time`, one for each tag and field. Undefined where the store cannot.
   */
  readonly writeParquet: ((query: ParquetQuery, path: string, signal: AbortSignal) => Promise<void>) | undefined
  /** The smallest question: resolves when the store answers it. */
  probe(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** The most points of one `history`: 100,000 are about 3 MB of JSON, more than any screen can show. */
export const MAX_HISTORY_POINTS = 100_000

/** `away`: try later. `refused`: the store does not answer this query (credentials, no such database). `too_much`: ask for less. */
export class StoreError extends Error {
  readonly kind: 'away' | 'refused' | 'too_much'

  constructor(kind: StoreError['kind'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'StoreError'
    this.kind = kind
  }
}

export function tooManyPoints(most: number): StoreError {
  return new StoreError(
    'too_much',
    `more than ${countText(most)} points: ask for a shorter range, or for larger buckets`,
  )
}
