import { begins, INCOMPLETE, LINE_END_BYTES, RespScanner } from './resp-scanner.ts'

/**
 * The beginning of a message: an array of three, whose first item is the word. The length of the channel's name
 * follows.
 */
const MESSAGE = Buffer.from('*3\r\n$7\r\nmessage\r\n$')

/**
 * Finds the messages of Pub/Sub in the bytes of a connection, and passes on all other replies, whole: some dozens of
 * bytes each.
 *
 * The client's own parser makes an array and three Buffers of each message, and emits two events for it. This scanner
 * allocates nothing for a message of up to 512 bytes (push-scanner.bench.ts, decision 0009).
 */
export class PushScanner extends RespScanner {
  messages = 0
  readonly #onMessage: (payload: Buffer) => void
  readonly #passOn: (reply: Buffer) => void

  /**
   * @param onMessage called with each payload, valid only during the call; must not throw
   * @param passOn called with each other reply in its order among the messages, valid only during the call
   */
  constructor(onMessage: (payload: Buffer) => void, passOn: (reply: Buffer) => void) {
    super()
    this.#onMessage = onMessage
    this.#passOn = passOn
  }

  protected override part(bytes: Buffer, at: number): number {
    return begins(MESSAGE, bytes, at) ? this.#message(bytes, at) : this.#other(bytes, at)
  }

  #message(bytes: Buffer, at: number): number {
    const channelAt = this.readLength(bytes, at + MESSAGE.length)
    if (channelAt === INCOMPLETE) return INCOMPLETE
    const lengthAt = channelAt + this.number + LINE_END_BYTES + 1
    const payloadAt = this.readLength(bytes, lengthAt)
    if (payloadAt === INCOMPLETE) return INCOMPLETE
    const length = this.number
    const end = payloadAt + length + LINE_END_BYTES
    if (end > bytes.length) {
      this.neededBytes = end - at
      return INCOMPLETE
    }
    this.messages++
    this.#onMessage(this.payload(bytes, payloadAt, length))
    return end
  }

  #other(bytes: Buffer, at: number): number {
    const end = this.endOfReply(bytes, at)
    if (end !== INCOMPLETE) this.#passOn(bytes.subarray(at, end))
    return end
  }
}
