const [LINE_FEED, RETURN, QUOTE, COMMA] = [0x0a, 0x0d, 0x22, 0x2c]
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

/** A row with more cells is counted to its end, but their places are not kept. */
export const MAX_CELLS = 1024
/** A quote that is not closed within so many bytes spoils its own line alone. */
const MAX_QUOTED_BYTES = 65_536

/** What `next` returns where there is no row. */
export const NO_ROW = -1
/** And of a line whose quotes do not pair. */
export const BROKEN_ROW = -2

/**
 * Finds the rows and cells of CSV where they lie: no string a cell, and no copy. Lines end in LF or CRLF, a byte order
 * mark and empty lines are passed over, and a cell in quotes may have commas, line ends and doubled quotes in it, which
 * are undoubled in place: the bytes belong to the scanner.
 *
 * The last byte must be a line feed. So a search needs no bound, and a text without one was cut off.
 */
export class CsvScanner {
  readonly bytes: Buffer
  /** Where each cell of the row begins and ends. */
  readonly starts = new Int32Array(MAX_CELLS)
  readonly ends = new Int32Array(MAX_CELLS)
  #at: number

  /** @throws RangeError where the last byte is no line feed */
  constructor(bytes: Buffer) {
    if (bytes.at(-1) !== LINE_FEED) throw new RangeError('CSV whose last line has no end')
    this.bytes = bytes
    this.#at = BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte) ? BYTE_ORDER_MARK.length : 0
  }

  /** Where the next row begins. */
  get at(): number {
    return this.#at
  }

  /** Moves on to the next row. @returns how many cells it has, NO_ROW or BROKEN_ROW */
  next(): number {
    const { bytes, starts, ends } = this
    let at = this.#at
    while (bytes[at] === LINE_FEED || (bytes[at] === RETURN && bytes[at + 1] === LINE_FEED)) at++
    if (at >= bytes.length) return NO_ROW
    for (let cells = 0; ; cells++) {
      let start = at
      let end: number
      if (bytes[at] === QUOTE) {
        start = at + 1
        end = this.#endOfQuoted(start)
        if (end < 0) return this.#passBroken(start)
        at = this.#behindQuoted
      } else {
        let byte = bytes[at]!
        while (byte !== COMMA && byte !== LINE_FEED) byte = bytes[++at]!
        end = byte === LINE_FEED && at > start && bytes[at - 1] === RETURN ? at - 1 : at
      }
      if (cells < MAX_CELLS) {
        starts[cells] = start
        ends[cells] = end
      }
      if (bytes[at++] === LINE_FEED) {
        this.#at = at
        return cells + 1
      }
    }
  }

  /** Where the comma or the line feed behind a cell in quotes is. */
  #behindQuoted = 0

  /** @param start behind the opening quote @returns where its text ends, without quotes; −1 where the quotes do not pair */
  #endOfQuoted(start: number): number {
    const { bytes } = this
    let hasDoubled = false
    for (let at = bytes.indexOf(QUOTE, start); at >= 0 && at - start < MAX_QUOTED_BYTES; ) {
      if (bytes[at + 1] !== QUOTE) {
        const behind = bytes[at + 1] === RETURN && bytes[at + 2] === LINE_FEED ? at + 2 : at + 1
        if (bytes[behind] !== LINE_FEED && bytes[behind] !== COMMA) return -1
        this.#behindQuoted = behind
        return hasDoubled ? this.#undouble(start, at) : at
      }
      hasDoubled = true
      at = bytes.indexOf(QUOTE, at + 2)
    }
    return -1
  }

  /** @returns where the text ends then */
  #undouble(start: number, end: number): number {
    const { bytes } = this
    let to = start
    for (let from = start; from < end; from++) {
      const byte = bytes[from]!
      if (byte === QUOTE) from++
      bytes[to++] = byte
    }
    return to
  }

  #passBroken(start: number): number {
    this.#at = this.bytes.indexOf(LINE_FEED, start) + 1
    return BROKEN_ROW
  }
}
