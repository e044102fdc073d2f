import { writeLine } from '../../format/line/encode.ts'
import { readLineRecord, writeLineRecord } from '../../format/line/record.ts'
import type { Refusal } from '../../sample/border.ts'
import { viewOf } from '../../sample/same-bytes.ts'
import type { Sample } from '../../sample/sample.ts'
import type { Batch } from '../store.ts'

const FIRST_BYTES = 64 * 1024
/** The most idle batches that are kept. There are more while a queue is worked off after the store was away; those are garbage. */
const POOLED_BATCHES = 8
const NEWLINE_BYTES = 1

const NO_FIELDS: Refusal = { reason: 'no_fields', detail: 'the sample has no value that a store can keep' }

/** When a batch is full. `maxBytes` may shrink (the server answered 413), which affects only batches opened later. */
export interface BatchLimits {
  readonly maxSamples: number
  readonly maxBytes: number
  /** A longer line is refused. A line between `maxBytes` and this is alone in its batch. */
  readonly maxLineBytes: number
}

/** Line protocol of up to `maxSamples` samples in one Buffer, which keeps its size between uses. */
export class LineBatch implements Batch {
  /** Consecutive failures of the server on this batch, and how many bodies it had accepted before the first. Set by `Attempt`. */
  failures: { readonly status: number; readonly count: number; readonly acceptedBefore: number } | undefined
  #bytes = 0
  #samples = 0
  #limits: BatchLimits
  #text: Buffer
  #view: DataView
  /** Where each line ends, after its newline. Newlines alone do not separate lines: a string field may contain some. */
  #lineEnd: Uint32Array
  readonly #recycle: (batch: LineBatch) => void

  constructor(
    limits: BatchLimits,
    recycle: (batch: LineBatch) => void,
    text: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES),
    lineEnd: Uint32Array = new Uint32Array(limits.maxSamples),
  ) {
    this.#limits = limits
    this.#recycle = recycle
    this.#text = text
    this.#view = viewOf(text)
    this.#lineEnd = lineEnd
  }

  /**
   * A full batch with the lines of a record; not pooled.
   *
   * @throws RangeError when the bytes are not a record
   */
  static from(record: Buffer): LineBatch {
    const { body, ends } = readLineRecord(record)
    const full = { maxSamples: ends.length, maxBytes: body.length, maxLineBytes: 0 }
    const batch = new LineBatch(full, () => {}, body, ends)
    batch.#bytes = body.length
    batch.#samples = ends.length
    return batch
  }

  get samples(): number {
    return this.#samples
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The lines to send; valid until `release`. */
  get body(): Buffer {
    return this.#text.subarray(0, this.#bytes)
  }

  add(sample: Sample): 'full' | Refusal | undefined {
    const start = this.#bytes
    const end = writeLine(sample, this.#text, start, this.#view)
    if (end === start) return NO_FIELDS
    const answer = this.#refuse(end - start)
    if (answer !== undefined) return answer
    if (end > this.#text.length) {
      this.#grow(end)
      writeLine(sample, this.#text, start, this.#view)
    }
    this.#lineEnd[this.#samples++] = end
    this.#bytes = end
    return undefined
  }

  /** Bytes of one line with its newline. */
  lineBytes(index: number): Buffer {
    return this.#text.subarray(this.#lineStart(index), this.#lineEnd[index])
  }

  /** One line as text, without its newline. */
  line(index: number): string {
    return this.#text.toString('utf8', this.#lineStart(index), this.#lineEnd[index]! - NEWLINE_BYTES)
  }

  toRecord(): Buffer {
    return writeLineRecord({ body: this.body, ends: this.#lineEnd.subarray(0, this.#samples) })
  }

  release(): void {
    this.#recycle(this)
  }

  /** Empties it for its next use. */
  reset(limits: BatchLimits): void {
    this.failures = undefined
    this.#bytes = 0
    this.#samples = 0
    this.#limits = limits
    // A reload may have raised the limit, and a write past the end of a typed array is silently lost.
    if (this.#lineEnd.length < limits.maxSamples) this.#lineEnd = new Uint32Array(limits.maxSamples)
  }

  #refuse(lineBytes: number): 'full' | Refusal | undefined {
    const { maxSamples, maxBytes, maxLineBytes } = this.#limits
    if (this.#samples >= maxSamples) return 'full'
    if (lineBytes > maxLineBytes) {
      return { reason: 'too_large', detail: `a line of ${lineBytes} bytes, at most ${maxLineBytes}` }
    }
    return this.#bytes + lineBytes > maxBytes && this.#samples > 0 ? 'full' : undefined
  }

  #lineStart(index: number): number {
    return index === 0 ? 0 : this.#lineEnd[index - 1]!
  }

  /** Doubles from a small start: group commit seals batches of a few kB, and thousands of them may wait. */
  #grow(needed: number): void {
    let size = this.#text.length
    while (size < needed) size *= 2
    const larger = Buffer.allocUnsafeSlow(size)
    this.#text.copy(larger, 0, 0, this.#bytes)
    this.#text = larger
    this.#view = viewOf(larger)
  }
}

/** Lends out empty batches and takes them back. */
export class BatchPool {
  readonly #idle: LineBatch[] = []

  open(limits: BatchLimits): LineBatch {
    const batch = this.#idle.pop()
    if (batch === undefined) return new LineBatch(limits, (released) => this.#recycle(released))
    batch.reset(limits)
    return batch
  }

  #recycle(batch: LineBatch): void {
    if (this.#idle.length < POOLED_BATCHES && !this.#idle.includes(batch)) this.#idle.push(batch)
  }
}
