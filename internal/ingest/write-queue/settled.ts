import type { WriteResult } from '../../store/store.ts'
import type { RunSpans } from './run-spans.ts'

/** A batch of which nothing more is to be done: each sample is stored or refused. Valid only during the call that hands it over. */
export interface SettledBatch {
  readonly result: Extract<WriteResult, { next: 'ack' }>
  readonly samples: number
  /** `sentAt` of the messages that ended in this batch, µs: the first `messages` entries. */
  readonly sentAt: Float64Array
  readonly messages: number
  readonly sources: RunSpans
}
