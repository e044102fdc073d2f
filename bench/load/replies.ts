const PLUS = 0x2b
const MINUS = 0x2d
const COLON = 0x3a
const DOLLAR = 0x24
const ZERO = 0x30
const RETURN = 0x0d
const LINE_FEED = 0x0a

/** Is called for each reply of Redis, in the order of the commands. */
export interface ReplySink {
  /** @param value of an integer reply; 1 for a text or an id */
  onReply(value: number): void
  onError(message: string): void
}

/** The part of a reply that the parser reads next. */
type Expects = 'type' | 'integer' | 'line' | 'length' | 'text'

/**
 * Reads the replies to PUBLISH, XADD and the log-in commands: integers, lines, errors and bulk texts. It skips the
 * content of bulk texts. Chunks may end anywhere.
 */
export class ReplyParser {
  readonly #sink: ReplySink
  #expects: Expects = 'type'
  #isError = false
  #number = 0
  /** Bytes of a bulk text, and of its line end, that are still to come. */
  #rest = 0
  #line = ''

  constructor(sink: ReplySink) {
    this.#sink = sink
  }

  /** @throws Error when the bytes are not a reply of Redis */
  feed(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      switch (this.#expects) {
        case 'type':
          this.#begin(chunk[at++]!)
          break
        case 'text': {
          const skipped = Math.min(this.#rest, chunk.length - at)
          at += skipped
          this.#rest -= skipped
          if (this.#rest === 0) this.#end(1)
          break
        }
        case 'line':
          at = this.#readLine(chunk, at)
          break
        default:
          this.#readDigit(chunk[at++]!)
      }
    }
  }

  #begin(type: number): void {
    if (type === COLON) this.#expects = 'integer'
    else if (type === DOLLAR) this.#expects = 'length'
    else if (type === PLUS || type === MINUS) this.#expects = 'line'
    else throw new Error(`Protocol error: a reply that begins with byte ${type}`)
    this.#isError = type === MINUS
    this.#number = 0
  }

  #readDigit(byte: number): void {
    if (byte === LINE_FEED) {
      if (this.#expects === 'integer') this.#end(this.#number)
      else {
        this.#rest = this.#number + 2
        this.#expects = 'text'
      }
    } else if (byte !== RETURN) {
      const digit = byte - ZERO
      if (digit < 0 || digit > 9) throw new Error(`Protocol error: byte ${byte} in a number`)
      this.#number = this.#number * 10 + digit
    }
  }

  #readLine(chunk: Buffer, from: number): number {
    const end = chunk.indexOf(LINE_FEED, from)
    this.#line += chunk.toString('latin1', from, end === -1 ? chunk.length : end)
    if (end === -1) return chunk.length
    const line = this.#line.trimEnd()
    this.#line = ''
    if (this.#isError) {
      this.#expects = 'type'
      this.#sink.onError(line)
    } else this.#end(1)
    return end + 1
  }

  #end(value: number): void {
    this.#expects = 'type'
    this.#sink.onReply(value)
  }
}
