import type { Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'

/** What the batcher must know of a store. */
export interface WriteLimits {
  /** A batch is full at whichever comes first. */
  readonly maxSamples: number
  readonly maxBytes: number
  /** Writes that may run side by side. */
  readonly inFlight: number
}

/**
 * Samples on their way to a store, encoded as they are added. Pooled: after `release` it belongs to the writer again.
 */
export interface Batch {
  readonly samples: number
  readonly bytes: number
  /**
   * Copies a sample in.
   * @returns undefined when it is in; `full` when the batch must be sealed first; or why no store will take it.
   */
  add(sample: Sample): 'full' | Refusal | undefined
  /** Its samples as bytes of their own, to be kept until `StoreWriter.batchOf` makes a batch of them again. */
  toRecord(): Buffer
  release(): void
}

/** A sample that the store refused for good. */
export interface Rejected {
  /** Which sample of the batch, counted from 0 in the order of `add`; -1 where the store did not say. */
  readonly index: number
  /**
   * The sample as line protocol. Where the store did not say which, the first of those that it left out has all that they can be, and the
   * others have nothing.
   */
  readonly line: string
  readonly refusal: Refusal
}

/** What became of a batch. */
export type WriteResult =
  /** Every sample is stored or rejected, and will be found by a query. */
  | { readonly next: 'ack'; readonly rejected: readonly Rejected[] }
  /**
   * Nothing is decided: write the same batch again, after `afterMs` if it is given. `retry` and `wait` mean that the store takes nothing
   * now, and `wait` that a person must act (token, bucket). `postpone` means that it does not take this batch, and nothing else is known
   * to be wrong: write others first.
   */
  | {
      readonly next: 'retry' | 'wait' | 'postpone'
      readonly problem: string
      readonly afterMs?: number
      readonly cause?: unknown
    }

/**
 * Writes batches. `write` may be called up to `limits.inFlight` times at once, and writing a batch twice changes
 * nothing.
 */
export interface StoreWriter {
  readonly limits: WriteLimits
  /** Never fails: pools are bounded by what the batcher holds. */
  openBatch(): Batch
  /**
   * A batch of what stands in a record, with the same samples in the same order, whichever store's batch made it. The record is the
   * batch's own from then on.
   *
   * @throws RangeError when it is none
   */
  batchOf(record: Buffer): Batch
  /** Never rejects: whatever happens is a WriteResult. */
  write(batch: Batch, signal: AbortSignal): Promise<WriteResult>
  /** Connects and finds out whether writing would work; resolves with '' or with what is wrong and what to do. */
  check(signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

export type Aggregate = 'mean' | 'min' | 'max' | 'last' | 'p50' | 'p90' | 'p99'

/** `[startUs, endUs)`, buckets of `everyUs` counted from the epoch, those without a value left out. */
export interface HistoryQuery {
  readonly measurement: string
  readonly fields: readonly string[]
  /** Every one must match; an empty value matches series without the tag. */
  readonly tags: Readonly<Record<string, string>>
  readonly startUs: number
  readonly endUs: number
  readonly everyUs: number
  readonly aggregate: Aggregate
}

export interface HistorySeries {
  readonly tags: Readonly<Record<string, string>>
  readonly field: string
  /** Start of the bucket in µs, and its value; ascending. */
  readonly points: ReadonlyArray<readonly [atUs: number, value: number]>
}

/**
 * The order of tag sets in an answer: keys and values one after the other, by UTF-16 units; where one ends first it
 * comes first.
 */
export function bySeries(a: HistorySeries, b: HistorySeries): number {
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

export interface KnownHost {
  readonly host: string
  /** Time of its newest sample, µs. */
  readonly lastSeenAt: number
}

/** Reads what was written. Rejects with a StoreError, `too_much` for a history of more than MAX_HISTORY_POINTS. */
export interface StoreReader {
  /** Every value of the tag `host` that has a sample since `sinceUs`, in the order of the names (UTF-16 units). */
  hosts(sinceUs: number, signal: AbortSignal): Promise<KnownHost[]>
  /**
   * One entry a field and tag set that has any point, sorted by field (in the order asked for), then `bySeries`. Only
   * numbers and booleans: these are 0 and 1 in a min, max or last, and have no mean and no percentile.
   */
  history(query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]>
  close(): Promise<void>
}

/** The most points that one `history` gives: 100,000 are some 3 MB of JSON, and more than any screen has room for. */
export const MAX_HISTORY_POINTS = 100_000

/** `away`: try later. `refused`: the store will not answer this (credentials, no such database). `too_much`: ask for less. */
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
    `more than ${most.toLocaleString('en')} points: ask for a shorter range, or for larger buckets`,
  )
}
