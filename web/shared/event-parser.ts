/** One event of a stream. */
export interface StreamEvent {
  readonly type: string
  readonly data: string
  /** The last id that the stream has given, with this event or before; '' before the first. */
  readonly lastEventId: string
}

const LINE_END = /\r\n|\n|\r/g

/** Reads a text/event-stream out of pieces of text, however it is cut (WHATWG HTML, 9.2.6). */
export class EventParser {
  /** How long the server wants a client to wait before it comes back, ms; undefined until it says so. */
  retryMs: number | undefined
  readonly #emit: (event: StreamEvent) => void
  #rest = ''
  #isFirst = true
  #type = ''
  #data: string[] = []
  #id: string

  /** @param lastEventId of the connection before */
  constructor(emit: (event: StreamEvent) => void, lastEventId = '') {
    this.#emit = emit
    this.#id = lastEventId
  }

  get lastEventId(): string {
    return this.#id
  }

  push(piece: string): void {
    if (piece === '') return
    let text = this.#rest + piece
    if (this.#isFirst && text.startsWith('\uFEFF')) text = text.slice(1)
    this.#isFirst = false
    let from = 0
    for (const { 0: end, index } of text.matchAll(LINE_END)) {
      // A line feed may follow, with the next piece.
      if (end === '\r' && index + 1 === text.length) break
      this.#line(text.slice(from, index))
      from = index + end.length
    }
    this.#rest = text.slice(from)
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch()
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id' && !value.includes('\0')) this.#id = value
    else if (name === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
  }

  #dispatch(): void {
    const [type, data] = [this.#type || 'message', this.#data]
    this.#type = ''
    this.#data = []
    if (data.length > 0) this.#emit({ type, data: data.join('\n'), lastEventId: this.#id })
  }
}
