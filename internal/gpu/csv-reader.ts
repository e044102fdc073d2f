import { parseDecimal } from '../format/csv/numbers.ts'
import { BROKEN_ROW, CsvScanner, MAX_CELLS, NO_ROW } from '../format/csv/scanner.ts'
import { isRefusal, quote, type Refusal } from '../sample/border.ts'
import { ByteCache } from '../sample/byte-cache.ts'
import type { GpuReadings, KnownReading } from './readings.ts'
import { ROW_COLUMNS, readHeader, withHost } from './rows.ts'
import { type ReadTime, readTime } from './times.ts'

/** Enough for 25,000 metrics of GPUs with 300 bytes of labels each. */
const KNOWN_BYTES = 16 * 2 ** 20
/** A time begins with a digit; a header, and nothing else that can be read, with a letter. */
const FIRST_LETTER = 0x41

export interface GpuCsvReaderOptions {
  readonly readings: GpuReadings
  /** The header of the text before, where the first text has none: cells as in `header`. */
  readonly header?: readonly string[]
  /** Another time for a row than its own. */
  readonly stamp?: ((time: ReadTime) => ReadTime) | undefined
  /** Told of each row of which nothing is taken. The row is one of JSON, or as it came where it has no cells. */
  readonly onRefused?: ((refusal: Refusal, row: () => string) => void) | undefined
}

/**
 * Reads CSV with a reading a row: `timestamp,metric_name,gpu_id,…,value,labels_raw`. A header says the order of the columns,
 * wherever it stands; columns beside the three that it needs are labels.
 *
 * Rows are read where they lie. What a row says beside its time and its value is looked at once, and found again by its
 * bytes.
 */
export class GpuCsvReader {
  readonly #options: GpuCsvReaderOptions
  #known = new ByteCache<KnownReading | Refusal>(KNOWN_BYTES)
  #key = Buffer.alloc(4096)
  #header: readonly string[] = []
  #columns = { time: 0, metric: 0, value: 0 }
  #scanner: CsvScanner | undefined
  #timeText = Buffer.alloc(0)
  #time: ReadTime | undefined
  /** The own time of the row that was read last, µs; 0 before there is one. */
  recordedUs = 0

  constructor(options: GpuCsvReaderOptions) {
    this.#options = options
    this.header = options.header ?? ROW_COLUMNS
  }

  /** The columns as the last header named them. */
  get header(): readonly string[] {
    return this.#header
  }

  /** @throws RangeError for a header without the three columns that say time, metric and value */
  set header(names: readonly string[]) {
    const columns = readHeader(names)
    if (columns === undefined) throw new RangeError(`no header: ${names.join(',')}`)
    if (names.join() !== this.#header.join()) this.#known = new ByteCache(KNOWN_BYTES)
    this.#header = names
    this.#columns = columns
  }

  /** Begins a text, which belongs to the reader. @throws RangeError where its last byte is no line feed */
  begin(bytes: Buffer): void {
    this.#scanner = new CsvScanner(bytes)
  }

  /** How many bytes of the text are read. */
  get at(): number {
    return this.#scanner?.at ?? 0
  }

  /** Reads one row, or a header. @returns false at the end of the text */
  next(): boolean {
    const scanner = this.#scanner
    if (scanner === undefined) return false
    const start = scanner.at
    const cells = scanner.next()
    if (cells === NO_ROW) return false
    if (cells === BROKEN_ROW) this.#refuse('row_syntax', 'its quotes do not pair', lineOf(scanner, start))
    else if (this.#isHeader(scanner, cells)) this.#timeText = Buffer.alloc(0)
    else if (cells !== this.#header.length) {
      const detail = `${cells} cells, and not ${this.#header.length}`
      this.#refuse('row_syntax', detail, lineOf(scanner, start))
    } else this.#take(scanner, start)
    return true
  }

  #isHeader({ bytes, starts, ends }: CsvScanner, cells: number): boolean {
    if (!(bytes[starts[0]!]! >= FIRST_LETTER) || cells > MAX_CELLS) return false
    const names = Array.from({ length: cells }, (_, i) => bytes.toString('utf8', starts[i], ends[i]).trim())
    if (readHeader(names) === undefined) return false
    this.header = names
    return true
  }

  #take(scanner: CsvScanner, start: number): void {
    const { bytes, starts, ends } = scanner
    const { readings } = this.#options
    const { time: timeAt, value: valueAt } = this.#columns
    const time = this.#timeOf(bytes, starts[timeAt]!, ends[timeAt]!)
    if (time === undefined) {
      const text = quote(bytes.toString('utf8', starts[timeAt], ends[timeAt]))
      this.#refuse('time_syntax', `${text} is no time`, () => this.#rowOf(scanner))
      return
    }
    const known = this.#find(scanner, start)
    if (isRefusal(known)) {
      this.#options.onRefused?.(readings.refuse(known), () => this.#rowOf(scanner))
      return
    }
    const number = parseDecimal(bytes, starts[valueAt]!, ends[valueAt]!)
    const value = Number.isNaN(number) ? bytes.toString('utf8', starts[valueAt], ends[valueAt]) : number
    const answer = readings.put(known, value, time.atUs, time.tie)
    if (typeof answer === 'object') this.#options.onRefused?.(answer, () => this.#rowOf(scanner))
  }

  /** Thousands of rows follow each other with the same time. */
  #timeOf(bytes: Buffer, start: number, end: number): ReadTime | undefined {
    if (end - start === this.#timeText.length && bytes.compare(this.#timeText, 0, undefined, start, end) === 0)
      return this.#time
    this.#timeText = Buffer.from(bytes.subarray(start, end))
    const read = readTime(this.#timeText.toString().trim())
    if (read === undefined) this.#time = undefined
    else {
      this.recordedUs = read.atUs
      this.#time = this.#options.stamp?.(read) ?? read
    }
    return this.#time
  }

  #find(scanner: CsvScanner, rowStart: number): KnownReading | Refusal {
    const length = this.#writeKey(scanner, rowStart)
    const known = this.#known.get(this.#key, 0, length)
    if (known !== undefined) return known
    const { bytes, starts, ends } = scanner
    const { time, metric, value } = this.#columns
    const labels = new Map<string, string>()
    for (let i = 0; i < this.#header.length; i++) {
      if (i === time || i === metric || i === value) continue
      labels.set(this.#header[i]!, bytes.toString('utf8', starts[i], ends[i]))
    }
    const found = this.#options.readings.find(bytes.toString('utf8', starts[metric], ends[metric]), labels)
    this.#known.set(this.#key, 0, length, found)
    return found
  }

  /** All of the row but time and value: the same bytes for each reading of a metric of a GPU. @returns their number */
  #writeKey({ bytes, starts, ends, at: rowEnd }: CsvScanner, rowStart: number): number {
    const { time, value } = this.#columns
    const [first, second] = time < value ? [time, value] : [value, time]
    if (rowEnd - rowStart > this.#key.length) this.#key = Buffer.alloc(2 * (rowEnd - rowStart))
    let at = bytes.copy(this.#key, 0, rowStart, starts[first])
    at += bytes.copy(this.#key, at, ends[first], starts[second])
    return at + bytes.copy(this.#key, at, ends[second], rowEnd)
  }

  #refuse(reason: Refusal['reason'], detail: string, row: () => string): void {
    this.#options.onRefused?.(this.#options.readings.refuse({ reason, detail }), row)
  }

  /** As a message of one row, which a server understands when it is sent again. */
  #rowOf({ bytes, starts, ends }: CsvScanner): string {
    const cells = this.#header.map((name, i) => [name, bytes.toString('utf8', starts[i], ends[i])] as const)
    return JSON.stringify([withHost(Object.fromEntries(cells), this.#options.readings.host)])
  }
}

function lineOf(scanner: CsvScanner, start: number): () => string {
  return () => scanner.bytes.toString('utf8', start, scanner.at).trim()
}
