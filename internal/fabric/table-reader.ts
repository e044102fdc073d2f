import { parseDecimal, parseInteger } from '../format/csv/numbers.ts'
import { BROKEN_ROW, CsvScanner, MAX_CELLS, NO_ROW } from '../format/csv/scanner.ts'
import { MAX_STRING_BYTES } from '../sample/border.ts'
import { isNoValue, rowsFrom } from './cells.ts'
import { readColumns, type TableColumns } from './columns.ts'
import { KnownRows, NOBODY } from './known-rows.ts'
import { rowTimeUs } from './row-time.ts'
import type { ColumnKind, Snapshot } from './snapshot.ts'
import { SnapshotBuilder } from './snapshot-builder.ts'

/** Why a table is not taken. Each word is a label of `sentinel_source_failures_total`. */
export type TableProblem = 'not_a_table' | 'cut_off' | 'no_rows' | 'too_many_bad_rows'

/** Why a row is left out. Each word is a label of `sentinel_fabric_bad_rows_total`. */
export const BAD_ROW_REASONS = ['cells', 'quotes', 'nobody', 'twice'] as const
export type BadRowReason = (typeof BAD_ROW_REASONS)[number]

/** Why a cell is left out. Each word is a label of `sentinel_fabric_bad_cells_total`. */
export const BAD_CELL_REASONS = ['not_a_number', 'not_whole', 'too_large', 'time'] as const
export type BadCellReason = (typeof BAD_CELL_REASONS)[number]

/** A table that is not taken, with words for people. */
export class TableError extends Error {
  readonly problem: TableProblem

  constructor(problem: TableProblem, message: string) {
    super(message)
    this.name = 'TableError'
    this.problem = problem
  }
}

export interface Table {
  /** Valid until the next `read`. */
  readonly snapshot: Snapshot
  /** Of each row of the snapshot, its number among the known rows. */
  readonly known: KnownRows
  readonly knownOf: Int32Array
  readonly columns: TableColumns
  readonly badRows: number
  readonly badCells: number
}

/** A row that is left out of a table that is taken, and what there is of it. */
export interface BadRow {
  readonly reason: BadRowReason
  /** Among all rows of the table, from 1. */
  readonly row: number
  /** As it came, but for doubled quotes. */
  readonly text: string
}

export interface TableReaderOptions {
  /** The tag `fabric` of all series, where there are several. */
  readonly fabric?: string | undefined
  /** Kinds of columns that are known already, by name: tables of one fabric share them. */
  readonly kinds?: Map<string, ColumnKind>
  /** Told of bad rows of a table that is taken, the first ones. */
  readonly onBadRow?: ((row: BadRow) => void) | undefined
  /** Lets others run, after some thousand rows. */
  readonly pause?: () => Promise<void>
}

/** So many bad rows of a table are told of, and so much of each. */
const [TOLD_ROWS, TOLD_CHARACTERS] = [1000, 8192]
/** They take 10 ms. */
const ROWS_AT_ONCE = 5_000
/** Rows that are gone, and texts that changed, may take as much as all others, and a little more. */
const [MIN_FORGOTTEN_ROWS, MIN_FORGOTTEN_BYTES] = [1000, 2 ** 20]
/** So many columns keep their kind while they are in no table: pushes may name any. */
const MOST_KINDS = 10_000
const LINE_FEED = 0x0a

/**
 * Reads one table of a target after the other: CSV with a row a switch or a row a port. What is good is kept, what is
 * not is counted. A table that was cut off, or is mostly bad, is refused as a whole.
 *
 * 100,000 rows of 37 columns take 0.3 s: cells are read where they lie, and rows are known from the time before.
 */
export class TableReader {
  readonly badRowsBy = new Map<BadRowReason, number>(BAD_ROW_REASONS.map((reason) => [reason, 0]))
  readonly badCellsBy = new Map<BadCellReason, number>(BAD_CELL_REASONS.map((reason) => [reason, 0]))
  readonly #options: TableReaderOptions
  readonly #kinds: Map<string, ColumnKind>
  #header: Buffer | undefined
  #columns!: TableColumns
  #builder!: SnapshotBuilder
  #known!: KnownRows
  /** Bytes of the known rows when they had been met first. */
  #freshBytes = 0
  #knownOf = new Int32Array(0)
  /** In which read each known row was met last: no row comes twice in one. */
  #metIn = new Int32Array(0)
  #reads = 0
  /** Rows of the table that was taken last. */
  #rows = 0
  #badRows = 0
  #badCells = 0
  readonly #told: BadRow[] = []
  /** The text of each column in the row before, and where it is. */
  #lastTexts: Array<{ start: number; end: number; text: string } | undefined> = []

  constructor(options: TableReaderOptions = {}) {
    this.#options = options
    this.#kinds = options.kinds ?? new Map()
  }

  /**
   * @param bytes belong to the reader from now on
   * @param nowUs the time of rows without one, µs since the epoch
   * @throws TableError where nothing of it is taken
   */
  async read(bytes: Buffer, nowUs: number): Promise<Table> {
    if (bytes.at(-1) !== LINE_FEED) throw new TableError('cut_off', 'it was cut off: its last line has no end')
    const scanner = new CsvScanner(bytes)
    this.#readHeader(scanner)
    this.#begin(scanner)
    let lastIsGood = true
    for (let rows = 0; ; rows++) {
      if (rows % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await this.#options.pause?.()
      const start = scanner.at
      const cells = scanner.next()
      if (cells === NO_ROW) break
      lastIsGood = cells === this.#columns.width
      const refused = lastIsGood ? this.#takeRow(scanner, nowUs) : cells === BROKEN_ROW ? 'quotes' : 'cells'
      if (refused !== undefined) this.#refuseRow(refused, rows + 1, bytes, start, scanner.at)
    }
    return this.#checked(lastIsGood)
  }

  #readHeader(scanner: CsvScanner): void {
    const { bytes, starts, ends } = scanner
    const begin = scanner.at
    const cells = scanner.next()
    const line = bytes.subarray(begin, scanner.at)
    if (this.#header?.equals(line)) return
    if (cells > MAX_CELLS) throw new TableError('not_a_table', `it has more than ${MAX_CELLS} columns`)
    const names = Array.from({ length: Math.max(0, cells) }, (_, i) => bytes.toString('utf8', starts[i], ends[i]))
    const columns = readColumns(names)
    if (typeof columns === 'string') throw new TableError('not_a_table', columns)
    this.#header = Buffer.from(line)
    this.#columns = columns
    const { subject, metrics } = columns
    const planned = metrics.map(({ name, kind }) => ({ name, kind: kind ?? this.#kinds.get(name) }))
    this.#builder = new SnapshotBuilder(subject, planned)
    this.#forgetRows()
  }

  #begin(scanner: CsvScanner): void {
    const { size, bytesUsed } = this.#known
    const isFull = size > 2 * this.#rows + MIN_FORGOTTEN_ROWS || bytesUsed > 2 * this.#freshBytes + MIN_FORGOTTEN_BYTES
    if (isFull) this.#forgetRows()
    this.#reads++
    this.#badRows = 0
    this.#badCells = 0
    this.#told.length = 0
    this.#lastTexts = []
    this.#builder.clear(Math.max(this.#rows, rowsFrom(scanner, this.#columns.width)))
  }

  #forgetRows(): void {
    this.#known = new KnownRows({ columns: this.#columns, fabric: this.#options.fabric })
    this.#freshBytes = 0
    this.#metIn = new Int32Array(0)
  }

  #checked(lastIsGood: boolean): Table {
    const { rows } = this.#builder
    const badRows = this.#badRows
    if (!lastIsGood) throw new TableError('cut_off', 'it was cut off: its last line is not whole')
    if (rows === 0) throw new TableError('no_rows', badRows === 0 ? 'it has no rows' : 'it has no good rows')
    if (badRows > rows) throw new TableError('too_many_bad_rows', `${badRows} of its ${badRows + rows} rows are bad`)
    const { bytesUsed } = this.#known
    if (this.#freshBytes === 0) this.#freshBytes = bytesUsed
    this.#rows = rows
    for (const row of this.#told) this.#options.onBadRow?.(row)
    return {
      snapshot: this.#builder.build(),
      known: this.#known,
      knownOf: this.#knownOf,
      columns: this.#columns,
      badRows,
      badCells: this.#badCells,
    }
  }

  /** @returns why it is not taken */
  #takeRow(scanner: CsvScanner, nowUs: number): BadRowReason | undefined {
    const known = this.#known
    const row = known.find(scanner)
    if (row === NOBODY) return 'nobody'
    if (row >= this.#metIn.length) this.#metIn = grown(this.#metIn, row)
    if (this.#metIn[row] === this.#reads) return 'twice'
    this.#metIn[row] = this.#reads
    const place = this.#builder.rows
    if (place >= this.#knownOf.length) this.#knownOf = grown(this.#knownOf, place)
    this.#knownOf[place] = row
    this.#builder.row(known.bytes, known.idAt(row), known.idEnd(row), this.#timeOf(scanner, nowUs), known.switchOf(row))
    this.#takeCells(scanner)
    return undefined
  }

  #takeCells(scanner: CsvScanner): void {
    const { bytes, starts, ends } = scanner
    const builder = this.#builder
    const { metrics } = this.#columns
    for (let column = 0; column < metrics.length; column++) {
      const { cell } = metrics[column]!
      const start = starts[cell]!
      const end = ends[cell]!
      if (start === end) continue
      const kind = builder.kindOf(column) ?? this.#decide(column, bytes, start, end)
      if (kind !== undefined) this.#takeCell(column, kind, bytes, start, end)
    }
  }

  #takeCell(column: number, kind: ColumnKind, bytes: Buffer, start: number, end: number): void {
    if (kind === 'int') {
      const value = parseInteger(bytes, start, end)
      if (value !== undefined) this.#builder.int(column, value)
      else this.#refuseInteger(bytes, start, end)
    } else if (kind === 'float') {
      const value = parseDecimal(bytes, start, end)
      if (value - value === 0) this.#builder.float(column, value)
      else this.#refuseNumber(bytes, start, end, value)
    } else this.#takeText(column, bytes, start, end)
  }

  #takeText(column: number, bytes: Buffer, start: number, end: number): void {
    const last = this.#lastTexts[column]
    if (last !== undefined && bytes.compare(bytes, start, end, last.start, last.end) === 0) {
      if (last.text !== '') this.#builder.text(column, last.text)
      return
    }
    if (end - start > MAX_STRING_BYTES) {
      this.#refuseCell('too_large')
      return
    }
    const written = bytes.toString('utf8', start, end)
    const text = isNoValue(written) ? '' : written
    this.#lastTexts[column] = { start, end, text }
    if (text !== '') this.#builder.text(column, text)
  }

  /** The first value of a column says whether it has numbers or texts, for ever. @returns undefined for no value */
  #decide(column: number, bytes: Buffer, start: number, end: number): ColumnKind | undefined {
    if (isNoValue(bytes.toString('latin1', start, Math.min(end, start + 8)))) return undefined
    const { name } = this.#columns.metrics[column]!
    const kind = this.#kinds.get(name) ?? (Number.isNaN(parseDecimal(bytes, start, end)) ? 'text' : 'float')
    if (this.#kinds.size < MOST_KINDS) this.#kinds.set(name, kind)
    this.#builder.decide(column, kind)
    return kind
  }

  #timeOf({ bytes, starts, ends }: CsvScanner, nowUs: number): number {
    const { time } = this.#columns
    if (time < 0 || starts[time] === ends[time]) return nowUs
    const atUs = rowTimeUs(
      parseInteger(bytes, starts[time]!, ends[time]!) ?? parseDecimal(bytes, starts[time]!, ends[time]!),
      nowUs,
    )
    if (atUs !== undefined) return atUs
    this.#refuseCell('time')
    return nowUs
  }

  #refuseRow(reason: BadRowReason, row: number, bytes: Buffer, start: number, end: number): void {
    if (this.#options.onBadRow !== undefined && this.#told.length < TOLD_ROWS) {
      const text = bytes.toString('utf8', start, Math.min(end, start + TOLD_CHARACTERS)).trim()
      this.#told.push({ reason, row, text })
    }
    this.#badRows++
    this.badRowsBy.set(reason, this.badRowsBy.get(reason)! + 1)
  }

  #refuseInteger(bytes: Buffer, start: number, end: number): void {
    const value = parseDecimal(bytes, start, end)
    if (Number.isFinite(value) && Math.abs(value) < 2 ** 63) this.#refuseCell('not_whole')
    else this.#refuseNumber(bytes, start, end, value)
  }

  #refuseNumber(bytes: Buffer, start: number, end: number, value: number): void {
    if (!Number.isNaN(value)) this.#refuseCell('too_large')
    else if (!isNoValue(bytes.toString('latin1', start, Math.min(end, start + 8)))) this.#refuseCell('not_a_number')
  }

  #refuseCell(reason: BadCellReason): void {
    this.#badCells++
    this.badCellsBy.set(reason, this.badCellsBy.get(reason)! + 1)
  }
}

function grown(array: Int32Array<ArrayBuffer>, place: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(1024, 2 * place))
  larger.set(array)
  return larger
}
