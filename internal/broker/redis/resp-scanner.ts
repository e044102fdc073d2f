import type { ReplyReader } from './reading-connector.ts'

export const LINE_FEED = 0x0a
export const ARRAY = 0x2a
export const BULK = 0x24
export const LINE_END_BYTES = 2
export const INCOMPLETE = -1
const RETURN = 0x0d
const ZERO = 0x30
const NINE = 0x39
export const MINUS = 0x2d
/** The longest value that Redis takes, unless `proto-max-bulk-len` is raised. */
const MAX_VALUE_BYTES = 512 * 2 ** 20
/** The most bytes of what has an unknown length: a line, or a reply that is taken as a whole. */
const MAX_UNKNOWN_BYTES = 64 * 1024
/** Payloads up to this length are handed over in a reused buffer. */
const MAX_REUSED_BYTES = 512
/**
 * Size of the buffer for a part that is split between chunks: room for its beginning and the next read. A longer part
 * gets a buffer of its own.
 */
const HELD_BYTES = 2 * 64 * 1024

/**
 * Reads the bytes of a connection (RESP2) part by part: a subclass says what a part is, and where it ends. What of a
 * part a chunk has not brought yet is held until it comes.
 */
export abstract class RespScanner implements ReplyReader {
  /** By length. Copying 32 bytes takes less time than making a Buffer for them, and leaves no garbage. */
  readonly #reused: Array<Buffer | undefined> = Array.from({ length: MAX_REUSED_BYTES + 1 }, () => undefined)
  /** Its first `#heldBytes` are the beginning of a part. */
  #held = Buffer.allocUnsafeSlow(HELD_BYTES)
  #heldBytes = 0
  // Methods leave their second result in these two fields: an object for both results would be garbage.
  /** To be set when a part is incomplete and its length is known: the length of what was read of it last. */
  protected neededBytes = 0
  /** What `readNumber` has read. */
  protected number = 0

  /**
   * @param chunk the next bytes of the connection, valid only during the call
   * @throws Error when this is not RESP, or a value is too long: then the connection cannot be read any further
   */
  push(chunk: Buffer): void {
    const bytes = this.#heldBytes === 0 ? chunk : this.#joined(chunk)
    if (bytes === undefined) return
    let at = 0
    while (at < bytes.length) {
      this.neededBytes = 0
      const end = this.part(bytes, at)
      if (end === INCOMPLETE) break
      at = end
    }
    if (at === bytes.length) return
    if (this.neededBytes === 0 && bytes.length - at > MAX_UNKNOWN_BYTES) throw notRedis('a reply without an end')
    this.#hold(bytes.subarray(at))
  }

  /** Reads the part that begins at `at`. @returns where it ends, or INCOMPLETE */
  protected abstract part(bytes: Buffer, at: number): number

  /** A payload to hand over, valid until the next one. */
  protected payload(bytes: Buffer, start: number, length: number): Buffer {
    if (length > MAX_REUSED_BYTES) return bytes.subarray(start, start + length)
    let payload = this.#reused[length]
    if (payload === undefined) {
      payload = Buffer.allocUnsafeSlow(length)
      this.#reused[length] = payload
    }
    for (let i = 0; i < length; i++) payload[i] = bytes[start + i]!
    return payload
  }

  /** `readNumber` of a value that is there. */
  protected readLength(bytes: Buffer, at: number): number {
    const end = this.readNumber(bytes, at)
    if (end !== INCOMPLETE && (this.number < 0 || this.number > MAX_VALUE_BYTES)) {
      throw notRedis(`a value of ${this.number} bytes`)
    }
    return end
  }

  /** @returns where the line ends that the number makes up, or INCOMPLETE */
  protected readNumber(bytes: Buffer, at: number): number {
    let number = 0
    let isNegative = false
    // The last byte can at most be the line feed.
    for (let i = at; i < bytes.length - 1; i++) {
      const byte = bytes[i]!
      if (byte >= ZERO && byte <= NINE) number = number * 10 + byte - ZERO
      else if (byte === RETURN) {
        this.number = isNegative ? -number : number
        return i + LINE_END_BYTES
      } else if (byte === MINUS && i === at) isNegative = true
      else throw notRedis('a length that is not a number')
    }
    return INCOMPLETE
  }

  /** @returns where the reply of any kind ends that begins at `at`, or INCOMPLETE */
  protected endOfReply(bytes: Buffer, at: number): number {
    const type = bytes[at]
    if (type !== ARRAY && type !== BULK) {
      const lineFeedAt = bytes.indexOf(LINE_FEED, at)
      return lineFeedAt < 0 ? INCOMPLETE : lineFeedAt + 1
    }
    let end = this.readNumber(bytes, at + 1)
    if (end === INCOMPLETE) return INCOMPLETE
    const count = this.number
    if (type === BULK) {
      if (count >= 0) end += count + LINE_END_BYTES
      return end <= bytes.length ? end : INCOMPLETE
    }
    for (let i = 0; i < count && end !== INCOMPLETE; i++) end = this.endOfReply(bytes, end)
    return end
  }

  /** The held bytes and the chunk, as soon as the part may be whole: a payload of 8 MiB comes in a hundred chunks. */
  #joined(chunk: Buffer): Buffer | undefined {
    this.#hold(chunk)
    if (this.#heldBytes < this.neededBytes) return undefined
    const bytes = this.#held.subarray(0, this.#heldBytes)
    this.#heldBytes = 0
    if (this.#held.length > HELD_BYTES) this.#held = Buffer.allocUnsafeSlow(HELD_BYTES)
    return bytes
  }

  #hold(bytes: Buffer): void {
    const heldBytes = this.#heldBytes + bytes.length
    if (heldBytes > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(heldBytes, this.neededBytes))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldBytes)
    this.#heldBytes = heldBytes
  }
}

/** The errors of the client's own parser begin with the same words. */
export function notRedis(what: string): Error {
  return new Error(`Protocol error: ${what}`)
}

/** Whether the pattern stands there as a whole. */
export function begins(pattern: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < pattern.length; i++) if (bytes[at + i] !== pattern[i]) return false
  return true
}
