import type { Logger } from 'pino'
import type { StoreWriter, WriteResult } from '../../store/store.ts'
import type { AgeBounds } from './batch-age.ts'
import type { BatchSpool } from './batch-spool.ts'
import type { RunSpans } from './run-spans.ts'

export interface WriteQueueOptions extends AgeBounds {
  readonly writer: StoreWriter
  readonly logger: Logger
  /** Bound of the sealed batches in memory, bytes. */
  readonly queueMaxBytes: number
  /** Where batches go that the store does not take; without it they wait in memory. Closed with the queue. */
  readonly spool?: BatchSpool | undefined
  /** The most that is written from the spool to a store that takes batches. */
  readonly replayBytesPerSecond: number
  readonly on: WriteQueueEvents
  /** Told of a transition that the table does not allow. Without it the bug is logged. */
  readonly onBug?: ((bug: Error) => void) | undefined
}

/** What may change while the queue runs. */
export type WriteQueueLimits = AgeBounds & Pick<WriteQueueOptions, 'queueMaxBytes' | 'replayBytesPerSecond'>

/** What the queue tells its owner. None of these may throw. */
export interface WriteQueueEvents {
  /** Each sample of a batch is stored or refused for good. */
  settled(batch: SettledBatch): void
  /** All deliveries up to this one are safe: no sample of them is in memory alone. */
  ack(upTo: number): void
  /** There is no room for more (true), or room again (false). */
  full(isFull: boolean): void
  /** The store has gone away (true), or is back (false). */
  away(isAway: boolean): void
}

/** A batch whose samples are all stored or refused for good. Valid only during the call that hands it over. */
export interface SettledBatch {
  readonly result: Extract<WriteResult, { next: 'ack' }>
  readonly samples: number
  /** `sentAt` of the messages that ended in this batch, µs. */
  readonly sentAt: Float64Array
  readonly spans: RunSpans
}
