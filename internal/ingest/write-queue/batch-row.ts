import type { Batch } from '../../store/store.ts'
import { blankNotes, type MessageNotes, QueuedBatch } from './queued-batch.ts'

/**
 * Notes that are kept for the next batches. After a long absence of the store thousands come free at once: the rest is
 * garbage.
 */
const MOST_SPARE = 8

/**
 * The row of sealed batches, the oldest first. They settle in any order but are acked in this one, because an ack is
 * cumulative: a batch that has left the memory keeps its place until all before it are settled.
 */
export class BatchRow {
  readonly #batches: QueuedBatch[] = []
  readonly #spare: MessageNotes[] = []
  #bytes = 0

  /** Batches that are not acked. */
  get length(): number {
    return this.#batches.length
  }

  /** Size of those in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** Samples of those in memory. */
  get samples(): number {
    return this.#inMemory(({ batch }) => batch.samples)
  }

  /** Those of `samples` that the server made itself. */
  get ownSamples(): number {
    return this.#inMemory(({ own }) => own)
  }

  get newest(): QueuedBatch | undefined {
    return this.#batches.at(-1)
  }

  [Symbol.iterator](): IterableIterator<QueuedBatch> {
    return this.#batches.values()
  }

  in(state: QueuedBatch['state']): QueuedBatch[] {
    return this.#batches.filter((queued) => queued.state === state)
  }

  /** A batch that is not in the row before it is pushed. */
  open(batch: Batch): QueuedBatch {
    return new QueuedBatch(batch, this.#spare.pop() ?? blankNotes())
  }

  push(queued: QueuedBatch): void {
    this.#batches.push(queued)
    this.#bytes += queued.batch.bytes
  }

  /** Gives the memory of a batch in the row back; its place stays. */
  free(queued: QueuedBatch): void {
    this.#bytes -= queued.batch.bytes
    this.recycle(queued)
  }

  /** Gives the memory of a batch back that was not pushed. */
  recycle({ batch, notes }: QueuedBatch): void {
    batch.release()
    if (this.#spare.length === MOST_SPARE) return
    notes.spans.clear()
    this.#spare.push(notes)
  }

  /** Takes the settled batches out at the front. @returns the deliveries to ack, in order */
  takeAcks(): number[] {
    const acks: number[] = []
    while (this.#batches[0]?.state === 'settled') {
      const { upTo } = this.#batches.shift()!
      if (upTo > 0) acks.push(upTo)
    }
    return acks
  }

  #inMemory(samplesOf: (queued: QueuedBatch) => number): number {
    let samples = 0
    for (const queued of this.#batches) if (queued.isInMemory) samples += samplesOf(queued)
    return samples
  }
}
