const RETURN = 0x0d
const ZERO = 0x30
const NINE = 0x39
const MINUS = 0x2d
const LINE_FEED = 0x0a
const ARRAY = 0x2a
const BULK = 0x24
const LINE_END_BYTES = 2
/**
 * The beginning of a message: an array of three, whose first item is the word. The length of the channel's name
 * follows.
 */
const MESSAGE = Buffer.from('*3\r\n$7\r\nmessage\r\n$')
const INCOMPLETE = -1
/** The longest value that Redis takes, unless `proto-max-bulk-len` is raised. */
const MAX_VALUE_BYTES = 512 * 2 ** 20
/**
 * The most bytes of any other reply, and of a message whose length is not known yet. Redis tells a subscriber some
 * dozens of bytes beside messages.
 */
const MAX_OTHER_BYTES = 64 * 1024
/** Payloads up to this length are handed over in a reused buffer. */
const MAX_REUSED_BYTES = 512
/**
 * Size of the buffer for a reply that is split between chunks: room for its beginning and the next read. A longer reply
 * gets a buffer of its own.
 */
const HELD_BYTES = 2 * 64 * 1024

/**
 * Finds the messages of Pub/Sub in the bytes of a connection (RESP2), and passes on all other replies, whole.
 *
 * The client's own parser makes an array and three Buffers of each message, and emits two events for it. This scanner
 * allocates nothing for a message of up to 512 bytes (push-scanner.bench.ts, decision 0009).
 */
export class PushScanner {
  readonly #onMessage: (payload: Buffer) => void
  readonly #passOn: (reply: Buffer) => void
  /** By length. Copying 32 bytes takes less time than making a Buffer for them, and leaves no garbage. */
  readonly #reused: Array<Buffer | undefined> = Array.from({ length: MAX_REUSED_BYTES + 1 }, () => undefined)
  /** Its first `#heldBytes` are the beginning of a reply. */
  #held = Buffer.allocUnsafeSlow(HELD_BYTES)
  #heldBytes = 0
  // Methods leave their second result in these two fields: an object for both results would be garbage.
  /** The length of the reply whose beginning was read last; 0 while it is not known. */
  #neededBytes = 0
  /** What `#readNumber` has read. */
  #number = 0

  /**
   * @param onMessage called with each payload, valid only during the call; must not throw
   * @param passOn called with each other reply in its order among the messages, valid only during the call
   */
  constructor(onMessage: (payload: Buffer) => void, passOn: (reply: Buffer) => void) {
    this.#onMessage = onMessage
    this.#passOn = passOn
  }

  /**
   * @param chunk the next bytes of the connection, valid only during the call
   * @throws Error when this is not RESP, or a value is too long: then the connection cannot be read any further
   */
  push(chunk: Buffer): void {
    const bytes = this.#heldBytes === 0 ? chunk : this.#joined(chunk)
    if (bytes === undefined) return
    let at = 0
    while (at < bytes.length) {
      this.#neededBytes = 0
      const end = beginsMessage(bytes, at) ? this.#message(bytes, at) : this.#other(bytes, at)
      if (end === INCOMPLETE) break
      at = end
    }
    if (at === bytes.length) return
    if (this.#neededBytes === 0 && bytes.length - at > MAX_OTHER_BYTES) throw notRedis('a reply without an end')
    this.#hold(bytes.subarray(at))
  }

  /** The held bytes and the chunk, as soon as the reply may be whole: a payload of 8 MiB comes in a hundred chunks. */
  #joined(chunk: Buffer): Buffer | undefined {
    this.#hold(chunk)
    if (this.#heldBytes < this.#neededBytes) return undefined
    const bytes = this.#held.subarray(0, this.#heldBytes)
    this.#heldBytes = 0
    if (this.#held.length > HELD_BYTES) this.#held = Buffer.allocUnsafeSlow(HELD_BYTES)
    return bytes
  }

  #hold(bytes: Buffer): void {
    const heldBytes = this.#heldBytes + bytes.length
    if (heldBytes > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(heldBytes, this.#neededBytes))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldBytes)
    this.#heldBytes = heldBytes
  }

  /** @returns where it ends */
  #message(bytes: Buffer, at: number): number {
    const channelAt = this.#readLength(bytes, at + MESSAGE.length)
    if (channelAt === INCOMPLETE) return INCOMPLETE
    const lengthAt = channelAt + this.#number + LINE_END_BYTES + 1
    const payloadAt = this.#readLength(bytes, lengthAt)
    if (payloadAt === INCOMPLETE) return INCOMPLETE
    const length = this.#number
    const end = payloadAt + length + LINE_END_BYTES
    if (end > bytes.length) {
      this.#neededBytes = end - at
      return INCOMPLETE
    }
    this.#onMessage(this.#payload(bytes, payloadAt, length))
    return end
  }

  #payload(bytes: Buffer, start: number, length: number): Buffer {
    if (length > MAX_REUSED_BYTES) return bytes.subarray(start, start + length)
    let payload = this.#reused[length]
    if (payload === undefined) {
      payload = Buffer.allocUnsafeSlow(length)
      this.#reused[length] = payload
    }
    for (let i = 0; i < length; i++) payload[i] = bytes[start + i]!
    return payload
  }

  #other(bytes: Buffer, at: number): number {
    const end = this.#endOfReply(bytes, at)
    if (end !== INCOMPLETE) this.#passOn(bytes.subarray(at, end))
    return end
  }

  #endOfReply(bytes: Buffer, at: number): number {
    const type = bytes[at]
    if (type !== ARRAY && type !== BULK) {
      const lineFeedAt = bytes.indexOf(LINE_FEED, at)
      return lineFeedAt < 0 ? INCOMPLETE : lineFeedAt + 1
    }
    let end = this.#readNumber(bytes, at + 1)
    if (end === INCOMPLETE) return INCOMPLETE
    const count = this.#number
    if (type === BULK) {
      if (count >= 0) end += count + LINE_END_BYTES
      return end <= bytes.length ? end : INCOMPLETE
    }
    for (let i = 0; i < count && end !== INCOMPLETE; i++) end = this.#endOfReply(bytes, end)
    return end
  }

  /** `#readNumber` of a value that is there. */
  #readLength(bytes: Buffer, at: number): number {
    const end = this.#readNumber(bytes, at)
    if (end !== INCOMPLETE && (this.#number < 0 || this.#number > MAX_VALUE_BYTES)) {
      throw notRedis(`a value of ${this.#number} bytes`)
    }
    return end
  }

  /** @returns where the line ends that the number makes up, or INCOMPLETE */
  #readNumber(bytes: Buffer, at: number): number {
    let number = 0
    let isNegative = false
    // The last byte can at most be the line feed.
    for (let i = at; i < bytes.length - 1; i++) {
      const byte = bytes[i]!
      if (byte >= ZERO && byte <= NINE) number = number * 10 + byte - ZERO
      else if (byte === RETURN) {
        this.#number = isNegative ? -number : number
        return i + LINE_END_BYTES
      } else if (byte === MINUS && i === at) isNegative = true
      else throw notRedis('a length that is not a number')
    }
    return INCOMPLETE
  }
}

/** The errors of the client's own parser begin with the same words. */
function notRedis(what: string): Error {
  return new Error(`Protocol error: ${what}`)
}

function beginsMessage(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < MESSAGE.length; i++) if (bytes[at + i] !== MESSAGE[i]) return false
  return true
}
