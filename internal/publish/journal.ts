import type { LogRecord, SegmentLog } from '../spool/segment-log.ts'
import type { OutgoingMessage } from './message.ts'

/** A message as the journal has it: with the source's name for the source, and what that had withdrawn when it was written. */
export interface JournalEntry extends Omit<OutgoingMessage, 'run' | 'record'> {
  readonly record: number
  readonly run: string
  readonly withdrawnMessages: number
  readonly withdrawnSamples: number
}

/** A part of the journal that cannot be read. */
export interface Damage {
  readonly records: number
  readonly samples: number
}

/**
 *   u8       version, 1
 *   float64  seq, firstSample, madeAt, madeAtTicks, withdrawnMessages, withdrawnSamples: integers below 2^53
 *   u16      bytes of the source id, then the id, then the message
 */
const VERSION = 1
const NUMBERS = 6
const ID_BYTES_AT = 1 + NUMBERS * 8
const FIXED_BYTES = ID_BYTES_AT + 2

interface Note {
  readonly lastWord: () => OutgoingMessage
  /** undefined while there is no room for it. */
  readonly record: number | undefined
}

/** So many records that are done with may lie behind the note of a life before it moves: they stay on disk until then. */
const NOTE_MOVES_AFTER = 64

/**
 * What an outbox holds, on disk, so that it survives the process. Written when a message is kept; a record is done with once its message is sent
 * or given up, and what is done with from the beginning on is committed. The outbox itself never reads it again but at the start.
 */
export class Journal {
  readonly #log: SegmentLog
  /** Records of messages that are held, and of some that are done with behind them; in order. Those before `#head` are gone. */
  #records: number[] = []
  #head = 0
  readonly #done = new Set<number>()
  #isFull = false
  /** Says whose life this is; see `begin`. */
  #note: Note | undefined
  /** False where the disk would not give all that earlier processes left: what is committed behind that would take it along. */
  #isRead = true

  constructor(log: SegmentLog) {
    this.#log = log
  }

  /** '' while the disk takes what it is given. */
  get problem(): string {
    return this.#log.problem || (this.#isFull ? 'there is no room for more: it is kept in memory only' : '')
  }

  /** @returns the record's number; undefined when there is no room for it */
  add(message: OutgoingMessage): number | undefined {
    const number = this.#log.append([describe(message), message.payload], message.samples)
    this.#isFull = number === 'full'
    if (number === 'full') return undefined
    this.#records.push(number)
    return number
  }

  /**
   * Notes a life that has begun: a process that is killed then leaves its last word, though it may hold nothing that another could send for it. The note
   * moves on behind what is done with, until `end`.
   */
  begin(lastWord: () => OutgoingMessage): void {
    this.#note = { lastWord, record: this.add(lastWord()) }
  }

  /** The life ends in order, and needs no note. */
  end(): void {
    const { record } = this.#note ?? {}
    this.#note = undefined
    if (record !== undefined) this.done(record)
  }

  /** The message of this record is sent or given up. */
  done(record: number): void {
    this.#done.add(record)
    const note = this.#notInPlace
    if (note?.record !== undefined) this.#done.add(note.record)
    let committed: number | undefined
    for (let next = this.#records[this.#head]; next !== undefined && this.#done.delete(next); ) {
      committed = next
      next = this.#records[++this.#head]
    }
    if (committed !== undefined && this.#isRead) this.#log.commit(committed)
    if (note !== undefined) this.begin(note.lastWord)
    if (this.#head > 1024 && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head)
      this.#head = 0
    }
  }

  /** The note, where it keeps from going what lies behind it, or has found no room. */
  get #notInPlace(): Note | undefined {
    const note = this.#note
    if (note?.record === undefined) return note
    const hinders = note.record === this.#records[this.#head] && (this.#isFull || this.#done.size > NOTE_MOVES_AFTER)
    return hinders ? note : undefined
  }

  /** What earlier processes left, in the order in which they kept it, and the damage between. To be read before anything is added. */
  async *read(): AsyncGenerator<JournalEntry | Damage> {
    const { damaged } = this.#log
    this.#isRead = false
    for (;;) {
      const { records, samples } = damaged
      const record = await this.#log.next()
      if (damaged.records > records) yield { records: damaged.records - records, samples: damaged.samples - samples }
      if (record === undefined) break
      this.#records.push(record.number)
      const entry = parse(record)
      if (entry !== undefined) yield entry
      else {
        this.done(record.number)
        yield { records: 1, samples: record.samples }
      }
    }
    this.#isRead = this.#log.records <= this.#records.length
  }

  /**
   * Writes what waits.
   *
   * @returns the first record that the disk did not take, with all behind it; Infinity when it took everything
   */
  async close(): Promise<number> {
    await this.#log.close()
    const { records } = this.#log.unwritten
    return (records === 0 ? undefined : this.#records[Math.max(this.#head, this.#records.length - records)]) ?? Infinity
  }
}

function describe({ run: source, seq, firstSample, madeAt, madeAtTicks }: OutgoingMessage): Buffer {
  const { run: id, withdrawnMessages, withdrawnSamples } = source.header
  const idBytes = Buffer.byteLength(id)
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + idBytes)
  let at = bytes.writeUInt8(VERSION, 0)
  for (const number of [seq, firstSample, madeAt, madeAtTicks, withdrawnMessages, withdrawnSamples]) {
    at = bytes.writeDoubleLE(number, at)
  }
  at = bytes.writeUInt16LE(idBytes, at)
  bytes.write(id, at, 'utf8')
  return bytes
}

/** @returns undefined when it is not of this version, or none */
function parse({ number: record, payload: bytes, samples }: LogRecord): JournalEntry | undefined {
  if (bytes.length < FIXED_BYTES || bytes[0] !== VERSION) return undefined
  const numbers = Array.from({ length: NUMBERS }, (_, i) => bytes.readDoubleLE(1 + i * 8))
  const payloadAt = FIXED_BYTES + bytes.readUInt16LE(ID_BYTES_AT)
  if (payloadAt > bytes.length || !numbers.every((number) => Number.isSafeInteger(number) && number >= 0))
    return undefined
  const [seq = 0, firstSample = 0, madeAt = 0, madeAtTicks = 0, withdrawnMessages = 0, withdrawnSamples = 0] = numbers
  return {
    ...{ record, seq, firstSample, samples, madeAt, madeAtTicks, withdrawnMessages, withdrawnSamples },
    run: bytes.toString('utf8', FIXED_BYTES, payloadAt),
    // A copy: what was read with it is not kept for its sake.
    payload: Buffer.from(bytes.subarray(payloadAt)),
  }
}
