import { checkTransition, type Transitions } from '../lifecycle/transition.ts'
import type { SegmentLog } from '../spool/segment-log.ts'
import { encodeRecordHead, type JournalRecord, parseRecord } from './journal-record.ts'
import type { OutgoingMessage } from './message.ts'

/** A part of the journal that cannot be read. */
export interface Damage {
  readonly records: number
  readonly samples: number
}

/** The end marker that the journal has in reserve for the run of this process. */
type Reserve =
  | { readonly state: 'none' }
  | { readonly state: 'waiting'; readonly makeEndMarker: () => OutgoingMessage }
  | { readonly state: 'written'; readonly makeEndMarker: () => OutgoingMessage; readonly record: number }

const RESERVE_TRANSITIONS: Transitions<Reserve['state']> = {
  none: ['waiting'],
  waiting: ['written', 'none'],
  written: ['waiting', 'none'],
}

/** So many forgotten records may lie behind the reserve, and stay on disk, before it moves. */
const RESERVE_MOVES_AFTER = 64

/**
 * The log of an outbox: held messages on disk, so that they survive the process. It is read only at the start.
 *
 * | a record is | means                                              | next      | who decides                        |
 * |-------------|----------------------------------------------------|-----------|------------------------------------|
 * | kept        | its message is held or in flight                   | forgotten | the message is sent or withdrawn   |
 * | forgotten   | it is on disk only because an older record is kept | committed | the last older record is forgotten |
 * | committed   | the log removes it                                 |           |                                    |
 *
 * A process that is killed may hold no message. Then nothing in the journal would name its run, and no server would
 * learn that the run has ended. So the journal has the end marker of the living run in reserve, as a record like any
 * other.
 *
 * | the reserve is | means                                 | next          |
 * |----------------|---------------------------------------|---------------|
 * | none           | no run lives                          | waiting       |
 * | waiting        | the end marker is still to be written | written, none |
 * | written        | the end marker is a record            | waiting, none |
 *
 * Who decides:
 * - none → waiting: `openRun`. Waiting, written → none: `closeRun`.
 * - waiting → written: the log has room. It is tried at once, and after each `forget`.
 * - written → waiting: a `forget` finds the end marker to be the oldest record, with more than 64 forgotten ones behind
 *   it, or with a full log. The end marker then moves behind them, so that they are committed.
 */
export class Journal {
  readonly #log: SegmentLog
  /** Kept and forgotten records, in order. Those before `#head` are committed. */
  #records: number[] = []
  #head = 0
  readonly #forgotten = new Set<number>()
  #reserve: Reserve = { state: 'none' }
  #isFull = false
  /**
   * False when the disk did not give all that earlier processes left. Nothing is committed then: it would take the
   * unread records along.
   */
  #isReadToTheEnd = true

  constructor(log: SegmentLog) {
    this.#log = log
  }

  /** What keeps the disk from taking records, in words; '' while it takes them. */
  get problem(): string {
    return this.#log.problem || (this.#isFull ? 'there is no room for more: it is kept in memory only' : '')
  }

  /** @returns the record's number; undefined when there is no room for it */
  add(message: OutgoingMessage): number | undefined {
    const number = this.#log.append([encodeRecordHead(message), message.payload], message.samples)
    this.#isFull = number === 'full'
    if (number === 'full') return undefined
    this.#records.push(number)
    return number
  }

  /** Whether so much waits for the disk that a part of it must be written before there is room for more. */
  get isBehind(): boolean {
    return this.#log.isBehind
  }

  /** Whether the disk takes nothing. */
  get isRefused(): boolean {
    return this.#log.problem !== ''
  }

  /** Resolves when what was added before the call has reached the file system, or the disk refuses it. */
  written(): Promise<void> {
    return this.#log.written()
  }

  /** Whether the file system has a record: then it survives the end of this process. */
  hasWritten(record: number): boolean {
    return this.#log.hasWritten(record)
  }

  /** Resolves when there is room for more before the disk, or when the disk takes nothing. */
  async room(): Promise<void> {
    if (this.#log.isBehind) await this.#log.written()
  }

  /** A run begins. From now on the journal has its end marker in reserve. */
  openRun(makeEndMarker: () => OutgoingMessage): void {
    if (this.#reserve.state !== 'none') throw new Error('the journal has an end marker in reserve: one run at a time')
    this.#setReserve({ state: 'waiting', makeEndMarker })
    this.#writeReserve()
  }

  /** The run of this process ends in order, and needs no end marker in reserve. */
  closeRun(): void {
    const reserve = this.#reserve
    if (reserve.state === 'none') return
    this.#setReserve({ state: 'none' })
    if (reserve.state === 'written') this.forget(reserve.record)
  }

  /** The message of this record is sent or withdrawn. */
  forget(record: number): void {
    this.#forgotten.add(record)
    if (this.#reserve.state === 'written' && this.#isInTheWay(this.#reserve.record)) {
      const { makeEndMarker, record } = this.#reserve
      this.#forgotten.add(record)
      this.#setReserve({ state: 'waiting', makeEndMarker })
    }
    this.#commitForgotten()
    this.#writeReserve()
  }

  /**
   * What earlier processes left, in the order of their records, and the damage between. To be read before anything is
   * added.
   */
  async *read(): AsyncGenerator<JournalRecord | Damage> {
    const { damaged } = this.#log
    this.#isReadToTheEnd = false
    for (;;) {
      const { records, samples } = damaged
      const record = await this.#log.next()
      if (damaged.records > records) yield { records: damaged.records - records, samples: damaged.samples - samples }
      if (record === undefined) break
      this.#records.push(record.number)
      const parsed = parseRecord(record)
      if (parsed !== undefined) yield parsed
      else {
        this.forget(record.number)
        yield { records: 1, samples: record.samples }
      }
    }
    this.#isReadToTheEnd = this.#log.records <= this.#records.length
  }

  /**
   * Writes what waits for the disk.
   *
   * @returns the first record that the disk did not take; it took none behind it either. Infinity when it took
   *   everything
   */
  async close(): Promise<number> {
    await this.#log.close()
    const { records } = this.#log.unwritten
    return (records === 0 ? undefined : this.#records[Math.max(this.#head, this.#records.length - records)]) ?? Infinity
  }

  #setReserve(reserve: Reserve): void {
    const { state } = this.#reserve
    if (checkTransition('the end marker in reserve', RESERVE_TRANSITIONS, state, reserve.state)) this.#reserve = reserve
  }

  #writeReserve(): void {
    if (this.#reserve.state !== 'waiting') return
    const { makeEndMarker } = this.#reserve
    const record = this.add(makeEndMarker())
    if (record !== undefined) this.#setReserve({ state: 'written', makeEndMarker, record })
  }

  /** Whether a record is all that keeps many forgotten ones, or the room that they take, from being committed. */
  #isInTheWay(record: number): boolean {
    return record === this.#records[this.#head] && (this.#isFull || this.#forgotten.size > RESERVE_MOVES_AFTER)
  }

  /** Commits the forgotten records up to the first kept one. */
  #commitForgotten(): void {
    let committed: number | undefined
    for (let next = this.#records[this.#head]; next !== undefined && this.#forgotten.delete(next); ) {
      committed = next
      next = this.#records[++this.#head]
    }
    if (committed !== undefined && this.#isReadToTheEnd) this.#log.commit(committed)
    if (this.#head > 1024 && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head)
      this.#head = 0
    }
  }
}
