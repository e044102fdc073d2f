import type { FrameRowEncoder } from '../../codec/frame-rows.ts'
import { parseInteger } from '../../format/csv/numbers.ts'
import { TextScanner } from '../../format/prometheus/text-scanner.ts'
import { type PortText, PortTexts } from '../../fabric/port-texts.ts'
import { isGpuMetric } from '../../gpu/metrics.ts'
import type { GpuReadings, KnownReading } from '../../gpu/readings.ts'
import { rowOf } from '../../gpu/rows.ts'
import { isRefusal, type Refusal, type RejectReason } from '../../sample/border.ts'
import { hashBytes } from '../../sample/hash.ts'
import { viewOf } from '../../sample/same-bytes.ts'
import { TargetError } from '../target-error.ts'
import { destinationOf, type TargetTags } from './destination.ts'
import { KnownLines } from './known-lines.ts'
import { LEFT_OUT_LINES, type LeftOutLine, MISSING } from './left-out-lines.ts'
import type { PortTables } from './port-tables.ts'
import { type WideRow, WideRows } from './wide-rows.ts'

export interface TextReaderOptions {
  readonly tags: TargetTags
  /** Lines of further series are left out. */
  readonly maxSeries: number
  /** Takes the readings of GPUs. */
  readonly gpus: Pick<GpuReadings, 'find' | 'put' | 'refuse' | 'host'>
  readonly encoder: FrameRowEncoder
  /** Sends what the encoder has gathered, and waits until there is room for more. */
  readonly send: () => Promise<void>
  /** Takes the ports of each answer, where they are shown. */
  readonly ports?: PortTables | undefined
  /** Told of each line that is bad. */
  readonly onBad?: ((line: BadLine) => void) | undefined
  /** Lets others run, after some thousand lines. */
  readonly pause?: () => Promise<void>
}

/** What one answer had: `lines` are its samples, each of which gave a value, had none, or is bad. */
export interface Reading {
  readonly lines: number
  readonly values: number
  readonly missing: number
  readonly bad: number
  /** The first bad line, for people. */
  readonly firstBad: string
}

/** A line that is left out though it has a value, and what there is of it. */
export interface BadLine {
  readonly reason: LeftOutLine | RejectReason
  readonly detail: string
  /** The same number for the same metric and labels in each answer: lines that cannot be read have one as a whole. */
  readonly series: number
  /** As it came; of a reading of a GPU a message of one row. */
  readonly text: () => string
}

const LINE_FEED = 0x0a
/** They take some milliseconds. */
const LINES_AT_ONCE = 10_000
/** Lines that are gone may be as many as all others, and some more. */
const MIN_FORGOTTEN_LINES = 1000
const SHOWN_CHARACTERS = 120
/** What is kept of a line that is too long. */
const KEPT_CHARACTERS = 8192

/** What a line means: all that its bytes up to the value say. */
type KnownLine =
  | KnownRowLine
  | KnownGpuLine
  | { readonly of: 'nobody'; readonly reason: LeftOutLine; readonly detail: string }

interface KnownRowLine {
  readonly of: 'row'
  readonly row: WideRow
  readonly place: number
  readonly isInteger: boolean
  /** What is told of the port that the line is of. */
  readonly port: PortText | undefined
}

interface KnownGpuLine {
  readonly of: 'gpu'
  readonly metric: string
  readonly labels: ReadonlyMap<string, string>
  help: string | undefined
  reading: KnownReading | Refusal
}

/**
 * Reads one answer of a target after the other. What a line means is known from the time before, so 100,000 lines cost
 * their bytes and their numbers.
 */
export class TextReader {
  /** Since the start, by reason. */
  readonly leftOut = new Map<LeftOutLine, number>(LEFT_OUT_LINES.map((reason) => [reason, 0]))
  readonly #options: TextReaderOptions
  /** What HELP says of metrics of GPUs. */
  readonly #helps = new Map<string, string>()
  #known = new KnownLines()
  #lines: KnownLine[] = []
  #rows = new WideRows()
  /** By the GUID of the node. */
  #switches = new Map<string, string>()
  readonly #portTexts = new PortTexts()
  /** Lines of the last answer that are known. */
  #lastMet = 0
  /** Of the answer that is read now. */
  #count = 0
  #met = 0
  #unreadable = 0
  #values = 0
  #missing = 0
  #bad = 0
  #firstBad = ''

  constructor(options: TextReaderOptions) {
    this.#options = options
  }

  /**
   * Gives all readings of GPUs to their sink, and sends all others.
   *
   * @param atUs the time of lines without one, µs since the epoch
   * @throws TargetError where the answer was cut off, or has lines and none can be read
   */
  async read(bytes: Buffer, atUs: number): Promise<Reading> {
    if (bytes.at(-1) !== 0x0a) throw new TargetError('cut_off', 'it was cut off: its last line has no end')
    this.#begin(atUs)
    const scanner = new TextScanner(bytes)
    const view = viewOf(bytes)
    for (let kind = scanner.next(); kind !== 'end'; kind = scanner.next()) {
      if (kind === 'help') this.#takeHelp(scanner)
      if (kind === 'help' || kind === 'type') continue
      if (++this.#count % LINES_AT_ONCE === 0) await this.#options.pause?.()
      if (kind === 'bad') {
        this.#unreadable++
        this.#leaveOut(scanner.reason, scanner)
      } else {
        const other = this.#take(scanner, view, atUs)
        if (other !== undefined) {
          await this.#encode(other)
          this.#take(scanner, view, atUs)
        }
      }
    }
    if (this.#unreadable > 0 && this.#unreadable === this.#count)
      throw new TargetError('not_metrics', `none of its ${this.#count} lines can be read: ${this.#firstBad}`)
    this.#lastMet = this.#met
    const { pending } = this.#rows
    for (let i = 0; i < pending.length; i++) await this.#encode(pending[i]!)
    pending.length = 0
    for (const port of this.#portTexts.take()) await this.#tellOf(port)
    if (this.#options.encoder.count > 0) await this.#options.send()
    return this.#reading()
  }

  #begin(atUs: number): void {
    const isFull = this.#known.size >= this.#options.maxSeries && this.#known.size > this.#lastMet
    if (isFull || this.#known.size > 2 * this.#lastMet + MIN_FORGOTTEN_LINES) this.#forget()
    this.#options.ports?.begin(atUs)
    this.#count = 0
    this.#met = 0
    this.#unreadable = 0
    this.#values = 0
    this.#missing = 0
    this.#bad = 0
    this.#firstBad = ''
  }

  #forget(): void {
    this.#known = new KnownLines()
    this.#lines = []
    this.#rows = new WideRows()
    this.#switches = new Map()
    this.#portTexts.forget()
    this.#options.ports?.forget()
    this.#helps.clear()
  }

  #reading(): Reading {
    return {
      ...{ lines: this.#count, values: this.#values, missing: this.#missing },
      ...{ bad: this.#bad, firstBad: this.#firstBad },
    }
  }

  #takeHelp(scanner: TextScanner): void {
    const { name } = scanner
    if (isGpuMetric(name)) this.#helps.set(name, scanner.text)
  }

  /** @returns a row that has to be encoded before the line can be taken */
  #take(scanner: TextScanner, view: DataView, nowUs: number): WideRow | undefined {
    const { bytes, lineStart, seriesEnd, value } = scanner
    let number = this.#known.find(bytes, view, lineStart, seriesEnd)
    if (number < 0) {
      if (this.#known.size >= this.#options.maxSeries) return this.#leaveOut('too_many_series', scanner)
      number = this.#known.add(bytes, lineStart, seriesEnd)
      this.#lines.push(this.#understand(scanner))
    }
    this.#met++
    const line = this.#lines[number]!
    const atUs = Number.isNaN(scanner.atUs) ? nowUs : scanner.atUs
    if (line.of === 'gpu') return this.#takeGpu(line, scanner, atUs)
    if (line.of === 'nobody') return this.#leaveOut(line.reason, scanner, line.detail)
    if (Number.isNaN(value)) return this.#leaveOut('not_a_number', scanner)
    if (!Number.isFinite(value)) return this.#leaveOut('infinite', scanner)
    if (this.#rows.isOfAnother(line.row, atUs)) return line.row
    const kept = line.isInteger ? parseInteger(bytes, scanner.valueStart, scanner.valueEnd) : value
    if (kept === undefined) return this.#leaveOut('not_whole', scanner)
    if (!this.#rows.put(line.row, line.place, kept, atUs)) return this.#leaveOut('twice', scanner)
    this.#values++
    if (line.port !== undefined) this.#portTexts.meet(line.port, atUs)
    return undefined
  }

  #takeGpu(line: KnownGpuLine, scanner: TextScanner, atUs: number): undefined {
    const { gpus } = this.#options
    const help = this.#helps.get(line.metric)
    // It may say another unit since the exporter was replaced.
    if (help !== line.help) {
      line.help = help
      line.reading = gpus.find(line.metric, line.labels, help)
    }
    const { value } = scanner
    // What stands for no value differs in digits that a number has not.
    const exact = Number.isFinite(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER ? scanner.valueText : value
    const answer = isRefusal(line.reading) ? gpus.refuse(line.reading) : gpus.put(line.reading, exact, atUs)
    if (answer === 'taken') this.#values++
    else if (answer === 'missing') this.#leaveOut('gpu_missing', scanner)
    else {
      this.#leaveOut('gpu_refused', scanner, answer.detail)
      this.#tell(scanner, answer, () =>
        rowOf({ metric: line.metric, labels: line.labels, value: exact, atUs }, gpus.host),
      )
    }
  }

  /** Finds out what a line means that comes for the first time. */
  #understand(scanner: TextScanner): KnownLine {
    const { name } = scanner
    const labels = new Map<string, string>()
    for (let i = 0; i < scanner.labels; i++) labels.set(scanner.labelKey(i), scanner.labelValue(i))
    if (labels.size < scanner.labels) return { of: 'nobody', reason: 'labels', detail: 'a label stands twice' }
    if (isGpuMetric(name)) {
      const help = this.#helps.get(name)
      return { of: 'gpu', metric: name, labels, help, reading: this.#options.gpus.find(name, labels, help) }
    }
    const { ports, tags: ofTarget } = this.#options
    const { measurement, tags, kind, port } = destinationOf(name, labels, ofTarget, this.#switches)
    const row = this.#rows.rowOf(measurement, tags)
    if (isRefusal(row)) return { of: 'nobody', reason: 'bad_series', detail: row.detail }
    if (port !== undefined && ports !== undefined) row.port ??= ports.portOf(port)
    const place = this.#rows.placeOf(row, name, kind)
    if (!isRefusal(place))
      return { of: 'row', row, place, isInteger: kind === 'int', port: port && this.#portTexts.of(port) }
    return { of: 'nobody', reason: place.reason === 'too_many_fields' ? 'too_many_fields' : 'bad_series', detail: place.detail } // biome-ignore format: one line
  }

  async #tellOf(port: PortText): Promise<void> {
    const { encoder, send } = this.#options
    if (this.#portTexts.encode(port, encoder)) return
    await send()
    this.#portTexts.encode(port, encoder)
  }

  async #encode(row: WideRow): Promise<void> {
    const { encoder, send, ports } = this.#options
    ports?.add(row, this.#rows)
    if (this.#rows.encode(row, encoder)) return
    await send()
    this.#rows.encode(row, encoder)
  }

  #leaveOut(reason: LeftOutLine, scanner: TextScanner, detail = ''): undefined {
    this.leftOut.set(reason, this.leftOut.get(reason)! + 1)
    if (MISSING.has(reason)) {
      this.#missing++
      return
    }
    this.#bad++
    if (reason !== 'gpu_refused') this.#tell(scanner, { reason, detail }, () => scanner.shown(KEPT_CHARACTERS))
    if (this.#firstBad !== '') return
    const why = detail === '' ? reason : `${reason}: ${detail}`
    this.#firstBad = `line ${scanner.line} (${why}): ${scanner.shown(SHOWN_CHARACTERS)}`
  }

  #tell(scanner: TextScanner, { reason, detail }: Pick<BadLine, 'reason' | 'detail'>, text: () => string): void {
    const { onBad } = this.#options
    if (onBad === undefined) return
    const { bytes, lineStart, seriesEnd } = scanner
    // What ends before the line begins is of the line before.
    const end = seriesEnd > lineStart ? seriesEnd : bytes.indexOf(LINE_FEED, lineStart)
    onBad({ reason, detail, series: hashBytes(bytes, lineStart, end, 0), text })
  }
}
