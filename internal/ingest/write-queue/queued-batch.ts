import type { Batch } from '../../store/store.ts'
import type { StateOf } from './modes.ts'
import { RunSpans } from './run-spans.ts'

/**
 * What a batch knows of its messages. A settled batch leaves it to the next: at 100,000 messages/s the times alone
 * would be 0.8 MB/s of garbage.
 */
export interface MessageNotes {
  sentAt: Float64Array<ArrayBuffer>
  readonly spans: RunSpans
}

export function blankNotes(): MessageNotes {
  return { sentAt: new Float64Array(1024), spans: new RunSpans() }
}

/** A batch on its way to the store, from its first sample until its acks are sent. */
export class QueuedBatch {
  readonly batch: Batch
  readonly notes: MessageNotes
  /** By the monotonic timer, as all durations here: the wall clock may be set back by hours. */
  readonly openedAtMs = performance.now()
  /** Only WriteQueue changes it, by the table there. */
  state: StateOf<'batch'> = 'open'
  /** Samples that the server made itself: no message brought them. */
  own = 0
  /** The last delivery whose samples are all in this batch or an earlier one; 0 where no message ended here. */
  upTo = 0
  /**
   * The number of messages that ended in this batch. As many entries at the front of `notes.sentAt` are their times.
   */
  messages = 0

  constructor(batch: Batch, notes: MessageNotes) {
    this.batch = batch
    this.notes = notes
  }

  /** Whether its samples are in memory: they have not been written to the spool and are not settled. */
  get isInMemory(): boolean {
    return this.state !== 'spooled' && this.state !== 'settled'
  }

  /** `sentAt` of the messages that ended in this batch, µs. A view: valid until the notes are used again. */
  get sentAt(): Float64Array {
    return this.notes.sentAt.subarray(0, this.messages)
  }

  get spans(): RunSpans {
    return this.notes.spans
  }

  /** @param sentAt µs; 0 where it is unknown, or where nothing of the message was taken */
  endMessage(delivery: number, sentAt: number): void {
    this.upTo = delivery
    if (sentAt <= 0 || !this.isInMemory) return
    if (this.messages === this.notes.sentAt.length) this.notes.sentAt = grown(this.notes.sentAt)
    this.notes.sentAt[this.messages++] = sentAt
  }
}

function grown(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2)
  larger.set(array)
  return larger
}
