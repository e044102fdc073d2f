import { begins, INCOMPLETE, LINE_END_BYTES, MINUS, RespScanner } from './resp-scanner.ts'

/** The beginning of the reply to a command that asks for one value of a hash. Its length follows. */
const VALUE = Buffer.from('*1\r\n$')
/** What the client gets in place of a value. */
const FOUND = Buffer.from('*1\r\n$0\r\n\r\n')
const NOT_FOUND = Buffer.from('*1\r\n$-1\r\n')

/**
 * Puts values of Redis where they belong while they come in, and passes on all other replies, whole. The client's own
 * parser would keep what comes until a value is whole, in 64 KiB that are new each time, and copy it to memory that is
 * new too: for 26 MB of ports the garbage collector then stood in the way of requests, twice for 10 ms.
 */
export class ValueScanner extends RespScanner {
  /** Where the next value is to be put, which has to fill it: another one counts as not found. */
  room: Buffer | undefined
  readonly #passOn: (reply: Buffer) => void
  /** What of the value has not come yet, with its line end. */
  #leftBytes = 0
  /** Where the rest of it goes. */
  #rest: Buffer | undefined

  /** @param passOn called with each other reply, and one in place of each value, valid only during the call */
  constructor(passOn: (reply: Buffer) => void) {
    super()
    this.#passOn = passOn
  }

  protected override part(bytes: Buffer, at: number): number {
    if (this.#leftBytes > 0) return this.#take(bytes, at)
    if (!begins(VALUE, bytes, at) || bytes[at + VALUE.length] === MINUS) return this.#other(bytes, at)
    const valueAt = this.readLength(bytes, at + VALUE.length)
    if (valueAt === INCOMPLETE) return INCOMPLETE
    this.#rest = this.room?.length === this.number ? this.room : undefined
    this.room = undefined
    this.#leftBytes = this.number + LINE_END_BYTES
    return valueAt < bytes.length ? this.#take(bytes, valueAt) : valueAt
  }

  #take(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#leftBytes)
    this.#leftBytes -= end - at
    if (this.#rest !== undefined) {
      const taken = Math.min(this.#rest.length, end - at)
      bytes.copy(this.#rest, 0, at, at + taken)
      this.#rest = this.#rest.subarray(taken)
    }
    if (this.#leftBytes === 0) {
      const found = this.#rest === undefined ? NOT_FOUND : FOUND
      this.#rest = undefined
      this.#passOn(found)
    }
    return end
  }

  #other(bytes: Buffer, at: number): number {
    const end = this.endOfReply(bytes, at)
    if (end !== INCOMPLETE) this.#passOn(bytes.subarray(at, end))
    return end
  }
}
