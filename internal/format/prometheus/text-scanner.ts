import { parseDecimal } from '../csv/numbers.ts'

const [TAB, LINE_FEED, RETURN, SPACE, QUOTE, HASH, COMMA] = [0x09, 0x0a, 0x0d, 0x20, 0x22, 0x23, 0x2c]
const [EQUALS, BACKSLASH, OPEN, CLOSE] = [0x3d, 0x5c, 0x7b, 0x7d]
const EOF_LINE = Buffer.from('# EOF\n')

/** A line with more is refused: the most tags that a series may have. */
export const MAX_LABELS = 64
/** What a store keeps as the value of a tag. */
export const MAX_LABEL_BYTES = 1024
export const MAX_LINE_BYTES = 65_536

/** Why a line cannot be read. */
export const BAD_LINE_REASONS = [
  'name',
  'labels',
  'too_many_labels',
  'label_too_long',
  'value',
  'timestamp',
  'line_too_long',
] as const
export type BadLineReason = (typeof BAD_LINE_REASONS)[number]

/** What the scanner is at: a sample, what is said of a metric, a line that cannot be read, or the end. */
export type LineKind = 'sample' | 'help' | 'type' | 'bad' | 'end'

const [NAME, BEGINS_NAME] = [1, 2]
/** Which bytes a name may have, and begin with. */
const NAMES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  return /[a-zA-Z_:]/.test(character) ? NAME | BEGINS_NAME : /\d/.test(character) ? NAME : 0
})
/** Most places of a label: its key and its value, each with its end. */
const PLACES = 4
/** As Go's `ParseFloat` reads them. */
const WORDS: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  '+nan': Number.NaN,
  '-nan': Number.NaN,
  inf: Infinity,
  '+inf': Infinity,
  '-inf': -Infinity,
  infinity: Infinity,
  '+infinity': Infinity,
  '-infinity': -Infinity,
}
/** A time beyond that is no integer of µs any more: the year 2255. */
const MOST_US = Number.MAX_SAFE_INTEGER

/**
 * Finds the samples of Prometheus' text format, and of OpenMetrics, where they lie: no string and no object a line. A
 * line that cannot be read costs itself alone.
 *
 * It takes what Prometheus takes (blanks around anything, a comma behind the last label, names in quotes), and, in both
 * formats, exemplars, which it passes over. Escapes that there are none stay as they are written, because exporters write
 * `\` into labels. Of OpenMetrics, which ends with `# EOF`, times are in seconds, else in milliseconds.
 *
 * The last byte must be a line feed, as the format wants it: a text without one was cut off.
 */
export class TextScanner {
  readonly bytes: Buffer
  readonly isOpenMetrics: boolean
  /** Of the line that the scanner is at, from 1. */
  line = 0
  lineStart = 0
  nameStart = 0
  nameEnd = 0
  /** Behind the name or the labels of a sample: up to there it has the same bytes in each answer. */
  seriesEnd = 0
  labels = 0
  /** Of a sample: exact up to 2^53. */
  value = 0
  valueStart = 0
  valueEnd = 0
  /** The time of a sample, µs since the epoch; NaN where it has none. */
  atUs = Number.NaN
  /** What a line of HELP or TYPE says. */
  textStart = 0
  textEnd = 0
  /** Why the line is bad. */
  reason: BadLineReason = 'name'
  readonly #places = new Int32Array(PLACES * MAX_LABELS)
  #hasEscapes = false
  #at = 0

  /** @throws RangeError where the last byte is no line feed */
  constructor(bytes: Buffer) {
    if (bytes.at(-1) !== LINE_FEED) throw new RangeError('a text whose last line has no end')
    this.bytes = bytes
    this.isOpenMetrics = bytes.subarray(-EOF_LINE.length).equals(EOF_LINE)
  }

  /** Moves on to the next line that says something. */
  next(): LineKind {
    const { bytes } = this
    for (;;) {
      let at = this.#at
      if (at >= bytes.length) return 'end'
      this.line++
      this.lineStart = at
      while (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === RETURN) at++
      const byte = bytes[at]!
      if (byte === LINE_FEED) this.#at = at + 1
      else if (byte !== HASH) return this.#sample(at)
      else {
        const kind = this.#comment(at)
        if (kind !== undefined) return kind
      }
    }
  }

  get name(): string {
    return this.#text(this.nameStart, this.nameEnd)
  }

  labelKey(label: number): string {
    return this.#text(this.#places[PLACES * label]!, this.#places[PLACES * label + 1]!)
  }

  labelValue(label: number): string {
    return this.#text(this.#places[PLACES * label + 2]!, this.#places[PLACES * label + 3]!)
  }

  get valueText(): string {
    return this.bytes.toString('latin1', this.valueStart, this.valueEnd)
  }

  /** What a line of HELP or TYPE says of the metric. */
  get text(): string {
    return unescaped(this.bytes.toString('utf8', this.textStart, this.textEnd))
  }

  /** The beginning of the line, for people. */
  shown(characters: number): string {
    const end = this.bytes.indexOf(LINE_FEED, this.lineStart)
    const text = this.bytes.toString('utf8', this.lineStart, Math.min(end, this.lineStart + 4 * characters)).trim()
    return text.length > characters ? `${text.slice(0, characters)}…` : text
  }

  #sample(start: number): LineKind {
    const { bytes } = this
    this.labels = 0
    this.#hasEscapes = false
    this.nameStart = start
    let at = start
    if ((NAMES[bytes[at]!]! & BEGINS_NAME) !== 0) at = this.#endOfName(at)
    this.nameEnd = at
    if (at === start && bytes[at] !== OPEN) return this.#bad('name')
    this.seriesEnd = at
    at = this.#behindBlanks(at)
    if (bytes[at] === OPEN) {
      at = this.#readLabels(at + 1)
      if (at < 0) return 'bad'
      if (this.nameEnd === this.nameStart) return this.#bad('name')
      this.seriesEnd = at
      at = this.#behindBlanks(at)
    } else if (at === this.seriesEnd) return this.#bad('name')
    return this.#readValue(at)
  }

  #readValue(start: number): LineKind {
    const { bytes } = this
    let at = this.#endOfWord(start)
    this.valueStart = start
    this.valueEnd = at
    this.value = parseDecimal(bytes, start, at)
    if (Number.isNaN(this.value)) {
      const word = WORDS[bytes.toString('latin1', start, Math.min(at, start + 10)).toLowerCase()]
      if (word === undefined) return this.#bad('value')
      this.value = word
    }
    at = this.#behindBlanks(at)
    this.atUs = Number.NaN
    if (bytes[at] !== LINE_FEED && bytes[at] !== HASH && bytes[at] !== RETURN) {
      const end = this.#endOfWord(at)
      const time = parseDecimal(bytes, at, end)
      this.atUs = Math.round(time * (this.isOpenMetrics ? 1e6 : 1e3))
      const isWhole = this.isOpenMetrics || Number.isInteger(time)
      if (!isWhole || !(Math.abs(this.atUs) <= MOST_US)) return this.#bad('timestamp')
      at = this.#behindBlanks(end)
    }
    if (bytes[at] === HASH) at = bytes.indexOf(LINE_FEED, at)
    if (bytes[at] === RETURN) at++
    if (bytes[at] !== LINE_FEED) return this.#bad('timestamp')
    if (at - this.lineStart > MAX_LINE_BYTES) return this.#bad('line_too_long')
    this.#at = at + 1
    return 'sample'
  }

  /** @param start behind the brace @returns where the labels end; −1 where they cannot be read */
  #readLabels(start: number): number {
    const { bytes } = this
    let at = this.#behindBlanks(start)
    while (bytes[at] !== CLOSE) {
      const isQuoted = bytes[at] === QUOTE
      const keyStart = isQuoted ? at + 1 : at
      const keyEnd = isQuoted ? this.#endOfQuoted(keyStart) : this.#endOfName(at)
      if (keyEnd <= keyStart || (!isQuoted && (NAMES[bytes[at]!]! & BEGINS_NAME) === 0)) return this.#failed('labels')
      at = this.#behindBlanks(isQuoted ? keyEnd + 1 : keyEnd)
      if (bytes[at] === EQUALS) {
        at = this.#readLabel(keyStart, keyEnd, this.#behindBlanks(at + 1))
        if (at < 0) return -1
      } else if (isQuoted && this.nameEnd === this.nameStart) {
        this.nameStart = keyStart
        this.nameEnd = keyEnd
      } else return this.#failed('labels')
      at = this.#behindBlanks(at)
      if (bytes[at] === COMMA) at = this.#behindBlanks(at + 1)
      else if (bytes[at] !== CLOSE) return this.#failed('labels')
    }
    return at + 1
  }

  /** @returns behind the value; −1 where it cannot be read */
  #readLabel(keyStart: number, keyEnd: number, at: number): number {
    const end = this.bytes[at] === QUOTE ? this.#endOfQuoted(at + 1) : -1
    if (end < 0) return this.#failed('labels')
    if (this.labels === MAX_LABELS) return this.#failed('too_many_labels')
    if (end - at - 1 > MAX_LABEL_BYTES) return this.#failed('label_too_long')
    const place = PLACES * this.labels++
    this.#places[place] = keyStart
    this.#places[place + 1] = keyEnd
    this.#places[place + 2] = at + 1
    this.#places[place + 3] = end
    return end + 1
  }

  /** @param at behind the opening quote @returns where the closing one is; −1 where the line ends before it */
  #endOfQuoted(at: number): number {
    const { bytes } = this
    for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[++at]) {
      if (byte === BACKSLASH) {
        this.#hasEscapes = true
        byte = bytes[++at]
      }
      if (byte === LINE_FEED) return -1
    }
    return at
  }

  #endOfName(at: number): number {
    while (NAMES[this.bytes[at]!] !== 0) at++
    return at
  }

  #endOfWord(at: number): number {
    while (this.bytes[at]! > SPACE) at++
    return at
  }

  #behindBlanks(at: number): number {
    while (this.bytes[at] === SPACE || this.bytes[at] === TAB) at++
    return at
  }

  /** `# HELP name text`, `# TYPE name kind`; all other comments say nothing, `# UNIT` and `# EOF` too. */
  #comment(start: number): 'help' | 'type' | undefined {
    const { bytes } = this
    const end = bytes.indexOf(LINE_FEED, start)
    this.#at = end + 1
    const at = this.#behindBlanks(start + 1)
    const wordEnd = this.#endOfWord(at)
    const word = wordEnd - at === 4 ? bytes.toString('latin1', at, wordEnd) : ''
    if (word !== 'HELP' && word !== 'TYPE') return undefined
    this.nameStart = this.#behindBlanks(wordEnd)
    const isQuoted = bytes[this.nameStart] === QUOTE
    if (isQuoted) this.nameStart++
    this.nameEnd = isQuoted ? this.#endOfQuoted(this.nameStart) : this.#endOfWord(this.nameStart)
    if (this.nameEnd <= this.nameStart) return undefined
    this.#hasEscapes = isQuoted
    this.textStart = this.#behindBlanks(isQuoted ? this.nameEnd + 1 : this.nameEnd)
    this.textEnd = bytes[end - 1] === RETURN ? end - 1 : end
    if (this.textEnd < this.textStart) this.textEnd = this.textStart
    return word === 'HELP' ? 'help' : 'type'
  }

  #text(start: number, end: number): string {
    const text = this.bytes.toString('utf8', start, end)
    return this.#hasEscapes ? unescaped(text) : text
  }

  #bad(reason: BadLineReason): 'bad' {
    this.#failed(reason)
    return 'bad'
  }

  #failed(reason: BadLineReason): -1 {
    this.reason = reason
    this.#at = this.bytes.indexOf(LINE_FEED, this.lineStart) + 1
    return -1
  }
}

function unescaped(text: string): string {
  return text.includes('\\')
    ? text.replace(/\\(\\|"|n)/g, (_, character: string) => (character === 'n' ? '\n' : character))
    : text
}
