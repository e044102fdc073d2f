import { writeLine } from '../../format/line/encode.ts'
import { readLineRecord, writeLineRecord } from '../../format/line/record.ts'
import type { Refusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import type { Batch } from '../store.ts'

const FIRST_BYTES = 64 * 1024
/** Batches kept for the next use; beyond that (the store was away and the queue is being worked off) they are garbage. */
const POOLED_BATCHES = 8
const NEWLINE_BYTES = 1

const NO_FIELDS: Refusal = { reason: 'no_fields', detail: 'the sample has no value that a store can keep' }

/** Where a batch ends. `maxBytes` may shrink later (the server answered 413): then batches opened from that moment are smaller. */
export interface BatchLimits {
  readonly maxSamples: number
  readonly maxBytes: number
  /** A single line over this is refused; one between `maxBytes` and this travels alone. */
  readonly maxLineBytes: number
}

/** Line protocol of up to `maxSamples` samples in one Buffer, which keeps its size from one use to the next. */
export class LineBatch implements Batch {
  /** How often a server has failed on it, one after the other, and what else it had taken before. Kept by who writes it. */
  failures: { readonly status: number; readonly count: number; readonly takenBefore: number } | undefined
  #bytes = 0
  #samples = 0
  #limits: BatchLimits
  #text: Buffer
  /** Where each line ends (behind its newline). Lines cannot be found again by newlines: a string field may hold some. */
  #lineEnd: Uint32Array
  readonly #giveBack: (batch: LineBatch) => void

  constructor(
    limits: BatchLimits,
    giveBack: (batch: LineBatch) => void,
    text: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES),
    lineEnd: Uint32Array = new Uint32Array(limits.maxSamples),
  ) {
    this.#limits = limits
    this.#giveBack = giveBack
    this.#text = text
    this.#lineEnd = lineEnd
  }

  /**
   * A full batch of what another has put into a record; not pooled.
   *
   * @throws RangeError when it is no record
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

  /** What to send: valid until `release`. */
  get body(): Buffer {
    return this.#text.subarray(0, this.#bytes)
  }

  add(sample: Sample): 'full' | Refusal | undefined {
    const start = this.#bytes
    const end = writeLine(sample, this.#text, start)
    if (end === start) return NO_FIELDS
    const answer = this.#refuse(end - start)
    if (answer !== undefined) return answer
    if (end > this.#text.length) {
      this.#grow(end)
      writeLine(sample, this.#text, start)
    }
    this.#take(end)
    return undefined
  }

  /** `add` for a sample that is a line already: latin1 (each character one byte of its UTF-8), newline at its end. */
  addLine(line: string): 'full' | Refusal | undefined {
    const end = this.#bytes + line.length
    const answer = this.#refuse(line.length)
    if (answer !== undefined) return answer
    if (end > this.#text.length) this.#grow(end)
    this.#text.write(line, this.#bytes, 'latin1')
    this.#take(end)
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
    this.#giveBack(this)
  }

  /** Empties it for its next use. */
  reset(limits: BatchLimits): void {
    this.failures = undefined
    this.#bytes = 0
    this.#samples = 0
    this.#limits = limits
    // A reload may have raised the limit: what is written beyond the end of a typed array is gone without a word.
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

  #take(end: number): void {
    this.#lineEnd[this.#samples++] = end
    this.#bytes = end
  }

  #lineStart(index: number): number {
    return index === 0 ? 0 : this.#lineEnd[index - 1]!
  }

  /** Doubles, because a batch that group commit seals early holds a few kB, and thousands of them may wait. */
  #grow(needed: number): void {
    let size = this.#text.length
    while (size < needed) size *= 2
    const larger = Buffer.allocUnsafeSlow(size)
    this.#text.copy(larger, 0, 0, this.#bytes)
    this.#text = larger
  }
}

/** Hands out empty batches and takes them back. */
export class BatchPool {
  readonly #idle: LineBatch[] = []

  open(limits: BatchLimits): LineBatch {
    const batch = this.#idle.pop()
    if (batch === undefined) return new LineBatch(limits, (released) => this.#takeBack(released))
    batch.reset(limits)
    return batch
  }

  #takeBack(batch: LineBatch): void {
    if (this.#idle.length < POOLED_BATCHES && !this.#idle.includes(batch)) this.#idle.push(batch)
  }
}
