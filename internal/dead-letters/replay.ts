import { setTimeout } from 'node:timers/promises'
import { MessageDecoder } from '../codec/detect.ts'
import { NO_TIE } from '../codec/ties.ts'
import { isBadLine, parseLines } from '../format/line/parse.ts'
import { parsedSample } from '../format/parsed-sample.ts'
import { isRefusal, type Refusal, refuseTime, type TimeWindow } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable } from '../sample/series.ts'
import type { Batch, StoreWriter } from '../store/store.ts'
import { Backoff } from '../time/backoff.ts'
import type { Clock } from '../time/clock.ts'
import type { StoredLetter } from './reader.ts'

export interface LetterReplayOptions {
  readonly writer: StoreWriter
  readonly clock: Clock
  readonly timeWindow: TimeWindow
  readonly maxSeries: number
  /** Told of letters once the store has all their samples. Not in the order of the letters. */
  readonly onStored: (letters: readonly StoredLetter[]) => Promise<void>
  /** Told of a letter that is refused again. */
  readonly onRefused: (letter: StoredLetter, refusal: Refusal) => void
  readonly signal: AbortSignal
}

/** A letter with samples that are not stored yet. */
interface OpenLetter {
  readonly letter: StoredLetter
  /** The number of its samples in batches, plus one until all of it is read. */
  waiting: number
  refusal: Refusal | undefined
}

/** Tries to write a batch, with pauses of up to 4 s between them. */
const TRIES = 5

/**
 * Writes dead letters to the store: decodes them, then checks and batches their samples, as a server does. A letter is
 * done when the store has all its samples. Where the store refuses a part of a letter, the other samples are written
 * too, and the letter stays.
 */
export class LetterReplay {
  /** Samples that the store has taken. */
  samples = 0
  readonly #options: LetterReplayOptions
  readonly #table: SeriesTable
  readonly #decoder: MessageDecoder
  #batch: Batch
  /** The letter of each sample in the batch. */
  #owners: OpenLetter[] = []
  /** Batches that a letter larger than one batch has filled. */
  readonly #full: Array<{ readonly batch: Batch; readonly owners: readonly OpenLetter[] }> = []

  constructor(options: LetterReplayOptions) {
    this.#options = options
    this.#table = new SeriesTable({ maxSeries: options.maxSeries })
    this.#decoder = new MessageDecoder(this.#table)
    this.#batch = options.writer.openBatch()
  }

  /** @throws when the store takes nothing */
  async add(letter: StoredLetter): Promise<void> {
    const open: OpenLetter = { letter, waiting: 1, refusal: undefined }
    open.refusal = this.#read(letter, (sample) => this.#take(sample, open)) ?? open.refusal
    for (let next = this.#full.shift(); next !== undefined; next = this.#full.shift()) await this.#write(next)
    await this.#settle([open])
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    const last = { batch: this.#batch, owners: this.#owners }
    if (last.batch.samples > 0) await this.#write(last)
    else last.batch.release()
  }

  /** @returns why a part of the letter cannot be read */
  #read(letter: StoredLetter, take: (sample: Sample) => void): Refusal | undefined {
    const arrivedAtUs = letter.at * 1000
    if (letter.payload.length < letter.payloadBytes) {
      return { reason: 'too_large', detail: `only ${letter.payload.length} of ${letter.payloadBytes} bytes were kept` }
    }
    if (letter.kind === 'text')
      return { reason: 'row_syntax', detail: 'a source could not read it: nothing of it can be sent' }
    if (letter.kind === 'message') {
      const refusal = this.#decoder.decode(letter.payload, { receivedAt: arrivedAtUs, tie: NO_TIE }, take)
      return refusal ?? this.#decoder.refusedParts[0]?.refusal
    }
    return readLines(letter.payload, arrivedAtUs, take)
  }

  #take(sample: Sample, open: OpenLetter): void {
    const { clock, timeWindow, writer } = this.#options
    let answer = refuseTime(sample.at, clock.now(), timeWindow) ?? this.#batch.add(sample)
    if (answer === 'full' && this.#batch.samples > 0) {
      this.#full.push({ batch: this.#batch, owners: this.#owners })
      this.#batch = writer.openBatch()
      this.#owners = []
      answer = this.#batch.add(sample)
    }
    if (answer === 'full') open.refusal = { reason: 'too_large', detail: 'a sample larger than a batch may be' }
    else if (answer !== undefined) open.refusal = answer
    else {
      this.#owners.push(open)
      open.waiting++
    }
  }

  async #write({ batch, owners }: { readonly batch: Batch; readonly owners: readonly OpenLetter[] }): Promise<void> {
    const { writer, signal } = this.#options
    const backoff = new Backoff({ firstMs: 250, largestMs: 4000 })
    try {
      for (let tries = 1; ; tries++) {
        const result = await writer.write(batch, signal)
        if (result.next === 'ack') {
          this.samples += batch.samples - result.rejected.length
          for (const { index, refusal } of result.rejected) {
            // Where the store does not say which sample it refused, it may be of any letter in the batch.
            for (const owner of index < 0 ? owners : [owners[index]!]) owner.refusal = refusal
          }
          break
        }
        if (result.next === 'wait' || tries === TRIES) throw new Error(result.problem, { cause: result.cause })
        await setTimeout(result.afterMs ?? backoff.nextMs(), undefined, { signal })
      }
    } finally {
      batch.release()
    }
    await this.#settle(owners)
  }

  /** Counts one sample less for each owner, and finishes the letters without any left. */
  async #settle(owners: readonly OpenLetter[]): Promise<void> {
    const stored: StoredLetter[] = []
    for (const owner of owners) {
      owner.waiting--
      if (owner.waiting > 0) continue
      if (owner.refusal === undefined) stored.push(owner.letter)
      else this.#options.onRefused(owner.letter, owner.refusal)
    }
    if (stored.length > 0) await this.#options.onStored(stored)
  }
}

/**
 * Each letter has a table of its own: the store decides whether its kinds of fields conflict with those of other
 * letters.
 */
function readLines(payload: Buffer, arrivedAtUs: number, take: (sample: Sample) => void): Refusal | undefined {
  const table = new SeriesTable()
  let refusal: Refusal | undefined
  let lines = 0
  for (const line of parseLines(payload)) {
    lines++
    const sample = isBadLine(line) ? undefined : parsedSample(line, table, arrivedAtUs)
    if (sample === undefined) refusal = { reason: 'line_syntax', detail: isBadLine(line) ? line.reason : '' }
    else if (isRefusal(sample)) refusal = sample
    else take(sample)
  }
  return lines === 0 ? { reason: 'line_syntax', detail: 'there is no line in it' } : refusal
}
