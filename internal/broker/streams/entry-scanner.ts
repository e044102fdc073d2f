import {
  ARRAY,
  BULK,
  begins,
  INCOMPLETE,
  LINE_END_BYTES,
  LINE_FEED,
  notRedis,
  RespScanner,
} from '../redis/resp-scanner.ts'
import { addedAtMs, bulkOf, MAX_ID_BYTES, PAYLOAD_FIELD } from './entry.ts'

/**
 * Takes an entry that was read.
 *
 * @param bytes where the id is, as a bulk string of RESP: from `idAt` to `idEnd`
 * @param payload of the entry; like `bytes`, valid only during the call
 */
export type OnEntry = (partition: number, bytes: Buffer, idAt: number, idEnd: number, payload: Buffer) => void

export interface EntryEvents {
  /** Entries begin to come; the first of them follows. Must not throw. */
  readonly begins: () => void
  /** Must not throw. */
  readonly entry: OnEntry
  /** The last one has come. @param spanMs how long after the oldest of them Redis added the newest */
  readonly ended: (spanMs: number) => void
}

/** An array of two: the key of a stream and its entries, or the id of an entry and its fields. */
const PAIR = Buffer.from('*2\r\n')
/** The fields of an entry that a publisher of ours wrote. The length of the payload follows. */
const FIELDS = Buffer.concat([PAIR, bulkOf(PAYLOAD_FIELD), Buffer.from('$')])
const EMPTY = Buffer.alloc(0)
const EMPTY_BULK_BYTES = bulkOf('').length
const NONE = -2

/**
 * Finds the entries that XREADGROUP has read in the bytes of a connection, and passes on all other replies. In place of
 * its reply the client gets a number: the entries of the stream that gave the most.
 *
 * The client's own parser makes an entry into two arrays and three Buffers. This scanner allocates nothing for one of
 * up to 512 bytes (entry-scanner.bench.ts, decision 0009), and hands over each as soon as its bytes are there.
 */
export class EntryScanner extends RespScanner {
  /** How each stream begins in the reply. */
  readonly #heads: Buffer[]
  readonly #on: EntryEvents
  readonly #passOn: (reply: Buffer) => void
  #streamsLeft = 0
  #entriesLeft = 0
  /** The entries of the stream that comes. */
  #entriesOfStream = 0
  #oldestMs = 0
  #newestMs = 0
  /** The partition whose entries come. */
  #partition = 0
  /** The entries of the stream that gave the most. */
  #most = 0
  /** What is left of another reply: so many elements, and so many bytes of a bulk string among them. */
  #elementsLeft = 0
  #bytesLeft = 0

  /**
   * @param keys of the streams, by partition
   * @param passOn called with each other reply, or the next piece of it, valid only during the call
   */
  constructor(keys: readonly string[], on: EntryEvents, passOn: (reply: Buffer) => void) {
    super()
    this.#on = on
    this.#heads = keys.map(headOf)
    this.#passOn = passOn
  }

  /** Another stream may be read from now on: that of the next partition. */
  addStream(key: string): void {
    this.#heads.push(headOf(key))
  }

  protected override part(bytes: Buffer, at: number): number {
    if (this.#entriesLeft > 0) return this.#entry(bytes, at)
    if (this.#streamsLeft > 0) return this.#stream(bytes, at)
    if (this.#elementsLeft > 0) return this.#other(bytes, at)
    return this.#reply(bytes, at)
  }

  #reply(bytes: Buffer, at: number): number {
    if (bytes[at] === ARRAY) {
      const firstAt = this.readNumber(bytes, at + 1)
      if (firstAt === INCOMPLETE) return INCOMPLETE
      const streams = this.number
      const partition = streams > 0 ? this.#partitionAt(bytes, firstAt) : NONE
      if (partition === INCOMPLETE) return INCOMPLETE
      if (partition !== NONE) {
        this.#streamsLeft = streams
        this.#most = 0
        this.#oldestMs = Number.MAX_SAFE_INTEGER
        this.#newestMs = 0
        this.#on.begins()
        return firstAt
      }
    }
    this.#elementsLeft = 1
    return this.#other(bytes, at)
  }

  /** Which stream begins there; NONE when none does. */
  #partitionAt(bytes: Buffer, at: number): number {
    const heads = this.#heads
    let isCut = false
    for (let i = 1; i <= heads.length; i++) {
      // Redis answers in the order of the command, so mostly it is the next one.
      const partition = (this.#partition + i) % heads.length
      const head = heads[partition]!
      if (begins(head, bytes, at)) return partition
      const some = bytes.length - at
      isCut ||= some < head.length && head.compare(bytes, at, bytes.length, 0, some) === 0
    }
    return isCut ? INCOMPLETE : NONE
  }

  #stream(bytes: Buffer, at: number): number {
    const partition = this.#partitionAt(bytes, at)
    if (partition === INCOMPLETE) return INCOMPLETE
    if (partition === NONE) throw notRedis('a stream that was not asked for')
    const end = this.readNumber(bytes, at + this.#heads[partition]!.length + 1)
    if (end === INCOMPLETE) return INCOMPLETE
    this.#partition = partition
    this.#entriesLeft = this.number
    this.#entriesOfStream = this.number
    this.#most = Math.max(this.#most, this.number)
    if (this.#entriesLeft <= 0) this.#endStream()
    return end
  }

  #endStream(): void {
    this.#streamsLeft--
    if (this.#streamsLeft > 0) return
    this.#on.ended(Math.max(0, this.#newestMs - this.#oldestMs))
    this.#passOn(Buffer.from(`:${this.#most}\r\n`))
  }

  #entry(bytes: Buffer, at: number): number {
    const idAt = at + PAIR.length
    const textAt = this.readLength(bytes, idAt + 1)
    if (textAt === INCOMPLETE) return INCOMPLETE
    const idEnd = textAt + this.number + LINE_END_BYTES
    if (!begins(PAIR, bytes, at) || bytes[idAt] !== BULK || this.number > MAX_ID_BYTES) throw notRedis('no entry')
    if (begins(FIELDS, bytes, idEnd)) {
      const payloadAt = this.readLength(bytes, idEnd + FIELDS.length)
      if (payloadAt === INCOMPLETE) return INCOMPLETE
      const length = this.number
      const end = payloadAt + length + LINE_END_BYTES
      if (end > bytes.length) return this.#incomplete(end - at)
      this.#noteTime(bytes, textAt)
      this.#on.entry(this.#partition, bytes, idAt, idEnd, this.payload(bytes, payloadAt, length))
      return this.#endEntry(end)
    }
    return this.#entryOfOthers(bytes, at, idAt, idEnd)
  }

  /** The first and the last one of each stream tell. */
  #noteTime(bytes: Buffer, idTextAt: number): void {
    if (this.#entriesLeft !== this.#entriesOfStream && this.#entriesLeft !== 1) return
    const ms = addedAtMs(bytes, idTextAt)
    this.#oldestMs = Math.min(this.#oldestMs, ms)
    this.#newestMs = Math.max(this.#newestMs, ms)
  }

  #endEntry(end: number): number {
    this.#entriesLeft--
    if (this.#entriesLeft === 0) this.#endStream()
    return end
  }

  #incomplete(neededBytes: number): number {
    this.neededBytes = neededBytes
    return INCOMPLETE
  }

  /** One with other fields too, or instead. */
  #entryOfOthers(bytes: Buffer, at: number, idAt: number, idEnd: number): number {
    let end = this.readNumber(bytes, idEnd + 1)
    if (end === INCOMPLETE) return INCOMPLETE
    const items = this.number
    let isPayload = false
    let payload: Buffer | undefined
    for (let i = 0; i < items; i++) {
      const textAt = this.readLength(bytes, end + 1)
      if (textAt === INCOMPLETE) return this.#incomplete(end + EMPTY_BULK_BYTES - at)
      const length = this.number
      end = textAt + length + LINE_END_BYTES
      if (end > bytes.length) return this.#incomplete(end - at)
      if (isPayload) payload ??= bytes.subarray(textAt, textAt + length)
      isPayload = i % 2 === 0 && bytes.toString('latin1', textAt, textAt + length) === PAYLOAD_FIELD
    }
    this.#on.entry(this.#partition, bytes, idAt, idEnd, payload ?? EMPTY)
    return this.#endEntry(end)
  }

  /** Passes on what is there of the reply: entries that are claimed may have megabytes, and the client waits by itself. */
  #other(bytes: Buffer, at: number): number {
    let end = at
    while (this.#elementsLeft > 0 && end < bytes.length) {
      const next = this.#bytesLeft > 0 ? this.#someOfBulk(bytes, end) : this.#element(bytes, end)
      if (next === INCOMPLETE) break
      end = next
    }
    if (end === at) return INCOMPLETE
    this.#passOn(bytes.subarray(at, end))
    return end
  }

  #someOfBulk(bytes: Buffer, at: number): number {
    const end = Math.min(at + this.#bytesLeft, bytes.length)
    this.#bytesLeft -= end - at
    if (this.#bytesLeft === 0) this.#elementsLeft--
    return end
  }

  /** A line, or the head of a bulk string or an array. */
  #element(bytes: Buffer, at: number): number {
    const type = bytes[at]
    if (type !== ARRAY && type !== BULK) {
      const lineFeedAt = bytes.indexOf(LINE_FEED, at)
      if (lineFeedAt < 0) return INCOMPLETE
      this.#elementsLeft--
      return lineFeedAt + 1
    }
    const end = this.readNumber(bytes, at + 1)
    if (end === INCOMPLETE) return INCOMPLETE
    if (type === BULK && this.number >= 0) this.#bytesLeft = this.number + LINE_END_BYTES
    else this.#elementsLeft += (type === ARRAY ? Math.max(this.number, 0) : 0) - 1
    return end
  }
}

/** How a stream begins in the reply. */
function headOf(key: string): Buffer {
  return Buffer.concat([PAIR, bulkOf(key)])
}
