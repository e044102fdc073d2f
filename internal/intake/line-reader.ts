import { countLineFeeds, endOfLine, isBadLine, type ParsedLine, parseLines } from '../format/line/parse.ts'
import { parsedSample } from '../format/parsed-sample.ts'
import { isRefusal, MAX_STRING_BYTES, type Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import { IntakeError } from './errors.ts'
import { KnownLines } from './known-lines.ts'

export interface LineLimits {
  readonly maxLines: number
  readonly maxLineBytes: number
}

/** Samples before this time are refused, µs, in these words. */
export interface Oldest {
  readonly atUs: number
  readonly words: string
}

export interface ReadOptions extends LineLimits {
  /** What one unit of the times is worth, ns. */
  readonly unitNs: number
  /** The time of lines that have none, µs. */
  readonly nowUs: number
  /** Whether one bad line makes all others useless too (InfluxDB 2). */
  readonly allOrNothing: boolean
  readonly oldest?: Oldest | undefined
}

/** A line that is not taken. */
export interface LineProblem {
  readonly lineNumber: number
  /** The line, cut. */
  readonly text: string
  readonly reason: string
}

/** Lines that are not taken: all are counted, and the first ones named. */
export class LineProblems {
  readonly first: LineProblem[] = []
  count = 0

  add(lineNumber: number, text: string, reason: string): void {
    this.count++
    if (this.first.length >= MOST_NAMED) return
    this.first.push({ lineNumber, text: text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text, reason })
  }
}

/** What a body of line protocol says. Lines are blank, good, or in one of the three lists. */
export interface ReadBody {
  readonly samples: Sample[]
  /** They break the grammar, or a bound of ours on names. */
  readonly bad: LineProblems
  /** A field has another type than before, or a name that no store keeps. */
  readonly refused: LineProblems
  /** Older than the store keeps. */
  readonly old: LineProblems
}

const MOST_NAMED = 100
const MOST_TEXT = 400
const HASH = 0x23
/** Whatever InfluxDB answers 422 to, where the other lines are kept. */
const OF_ITS_OWN: ReadonlySet<Refusal['reason']> = new Set(['field_type', 'reserved_name', 'too_many_series'])

/**
 * Reads bodies of line protocol. Lines like earlier ones are read where they lie (`KnownLines`); each other line by
 * the parser, which knows the whole grammar.
 */
export class LineReader {
  readonly #table: SeriesTable
  readonly #known: KnownLines

  constructor(table: SeriesTable) {
    this.#table = table
    this.#known = new KnownLines()
  }

  /** @throws IntakeError `too_large` */
  read(body: Buffer, options: ReadOptions): ReadBody {
    // One character a byte, so a place in the text is a place in the body.
    const text = body.toString('latin1')
    const found: Array<Sample | SlowLine> = []
    const bad = new LineProblems()
    let lineNumber = 1
    let lines = 0
    for (let start = 0; start < text.length; ) {
      const known = this.#known.read(text, start, options)
      if (known !== undefined && this.#known.end - start <= options.maxLineBytes) {
        found.push(known)
        start = this.#known.end + 1
        lineNumber++
        lines++
      } else {
        const end = text.charCodeAt(start) === HASH ? endOfComment(text, start) : endOfLine(text, start)
        if (this.#slow(body, { start, end, lineNumber }, options, found, bad)) lines++
        lineNumber += countLineFeeds(text, start, end) + 1
        start = end + 1
      }
      if (lines > options.maxLines) throw new IntakeError('too_large', `over ${options.maxLines} lines in one request`)
    }
    if (options.allOrNothing && bad.count > 0) {
      return { samples: [], bad, refused: new LineProblems(), old: new LineProblems() }
    }
    return this.#toSamples(text, found, bad, options)
  }

  /** @returns whether there is a line, and not only blanks */
  #slow(
    body: Buffer,
    { start, end, lineNumber }: Place,
    { unitNs, maxLineBytes }: ReadOptions,
    found: Array<Sample | SlowLine>,
    bad: LineProblems,
  ): boolean {
    if (end - start > maxLineBytes) {
      bad.add(lineNumber, body.toString('utf8', start, start + MOST_TEXT), `a line over ${maxLineBytes} bytes`)
      return true
    }
    const [line] = parseLines(body.toString('utf8', start, end), { unitNs, firstLine: lineNumber })
    if (line === undefined) return false
    if (isBadLine(line)) bad.add(lineNumber, line.text, `${line.reason} (column ${line.column})`)
    else found.push({ line, start, end })
    return true
  }

  #toSamples(text: string, found: ReadonlyArray<Sample | SlowLine>, bad: LineProblems, options: ReadOptions): ReadBody {
    const { nowUs, oldest } = options
    const samples: Sample[] = []
    const [refused, old] = [new LineProblems(), new LineProblems()]
    for (const one of found) {
      const isSlow = 'line' in one
      const sample = isSlow ? this.#sampleOf(one.line, nowUs) : one
      if (isRefusal(sample)) {
        const { line, start, end } = one as SlowLine
        const problems = OF_ITS_OWN.has(sample.reason) ? refused : bad
        problems.add(line.lineNumber, Buffer.from(text.slice(start, end), 'latin1').toString(), sample.detail)
        continue
      }
      if (isSlow) this.#known.learn(text.slice(one.start, one.end), sample.series, one.line)
      if (oldest !== undefined && sample.at < oldest.atUs) old.add(0, nameOf(sample), oldest.words)
      else samples.push(sample)
    }
    if (options.allOrNothing && bad.count > 0) samples.length = 0
    return { samples, bad, refused, old }
  }

  #sampleOf(line: ParsedLine, nowUs: number): Sample | Refusal {
    for (const { name, value } of line.fields) {
      if (typeof value !== 'string' || value.length * 3 <= MAX_STRING_BYTES) continue
      if (Buffer.byteLength(value) > MAX_STRING_BYTES)
        return { reason: 'too_large', detail: `field ${name}: a string over ${MAX_STRING_BYTES} bytes` }
    }
    const { refused } = this.#table
    const sample = parsedSample(line, this.#table, nowUs)
    if (this.#table.refused > refused) return { reason: 'too_many_series', detail: 'no room for one more series' }
    if (!isRefusal(sample) && !Number.isSafeInteger(sample.at))
      return { reason: 'time_in_future', detail: 'a time beyond 2^53 µs' }
    return sample
  }
}

interface Place {
  readonly start: number
  readonly end: number
  readonly lineNumber: number
}

/** A good line that was read by the parser. */
interface SlowLine {
  readonly line: ParsedLine
  readonly start: number
  readonly end: number
}

function endOfComment(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end
}

function nameOf({ series, at }: Sample): string {
  return `${series.measurement} at ${new Date(at / 1000).toISOString()}`
}
