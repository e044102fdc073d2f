import { type Column, type ColumnCells, type ColumnKind, NO_INT, NO_TEXT, Snapshot, type Subject } from './snapshot.ts'
import { TextsBuilder } from './texts.ts'

const FIRST_ROWS = 1024
/** So much more room than for the rows that are expected: another guess would else need all arrays anew, beside those before. */
const MORE_ROWS = 1.1
/** Texts of cells that are remembered, so that each stands once: a fabric has few, such as `Up` and `Down`. */
const MOST_REMEMBERED = 100_000

/** A column, and its kind where that is known already. */
export interface PlannedColumn {
  readonly name: string
  readonly kind: ColumnKind | undefined
}

/**
 * Makes a snapshot row by row, and then another one in the same arrays. A cell that is not set has no value. On the hot
 * path: no allocation a cell, but for texts and integers from 2^53 on.
 */
export class SnapshotBuilder {
  readonly #subject: Subject
  readonly #columns: Array<PlannedColumn>
  readonly #ids = new TextsBuilder()
  readonly #texts = new TextsBuilder()
  readonly #places = new Map<string, number>()
  #capacity = FIRST_ROWS
  #atUs = new Float64Array(FIRST_ROWS)
  #switches: Int32Array
  /** Empty where the kind of a column is not known. */
  #cells: ColumnCells[]
  /** The same cells as numbers of 32 bits, the lower first: an integer is written without a bigint. */
  #words: (Int32Array | undefined)[]
  #rows = 0
  /** Whose cells are set. */
  #row = 0

  constructor(subject: Subject, columns: readonly PlannedColumn[]) {
    this.#subject = subject
    this.#columns = [...columns]
    this.#switches = new Int32Array(subject === 'fabric_port' ? FIRST_ROWS : 0)
    this.#cells = columns.map(({ kind }) => emptyCells(kind, FIRST_ROWS))
    this.#words = this.#cells.map(wordsOf)
  }

  get rows(): number {
    return this.#rows
  }

  /**
   * Begins the next snapshot: all that the one before has is overwritten.
   *
   * @param rows how many are expected: their room is made at once
   */
  clear(rows = 0): void {
    for (const [column, cells] of this.#cells.entries()) cells.fill(noneOf(this.#columns[column]!.kind) as never)
    this.#ids.clear()
    this.#texts.clear()
    this.#places.clear()
    this.#rows = 0
    if (rows > this.#capacity) this.#grow(Math.ceil(MORE_ROWS * rows))
  }

  /** What kind a column has. */
  kindOf(column: number): ColumnKind | undefined {
    return this.#columns[column]!.kind
  }

  /** Adds a column, which no row so far has a value of. @returns its place */
  column(name: string, kind: ColumnKind): number {
    const cells = emptyCells(kind, this.#capacity)
    this.#cells.push(cells)
    this.#words.push(wordsOf(cells))
    return this.#columns.push({ name, kind }) - 1
  }

  /** Says the kind of a column that had none: it keeps it. Columns without a kind are in no snapshot. */
  decide(column: number, kind: ColumnKind): void {
    this.#columns[column] = { name: this.#columns[column]!.name, kind }
    this.#cells[column] = emptyCells(kind, this.#capacity)
    this.#words[column] = wordsOf(this.#cells[column])
  }

  /**
   * Begins the next row.
   *
   * @param id UTF-8, from `start` to `end`
   * @param switchName of a port, where it is known
   */
  row(id: Uint8Array, start: number, end: number, atUs: number, switchName?: string): void {
    this.#row = this.#rows++
    if (this.#row >= this.#capacity) this.#grow(2 * this.#capacity)
    this.#ids.addBytes(id, start, end)
    this.#atUs[this.#row] = atUs
    if (this.#subject === 'fabric_port')
      this.#switches[this.#row] = switchName === undefined ? NO_TEXT : this.#place(switchName)
  }

  /** Goes on with a row that has begun before. Its time is the newest one. */
  again(row: number, atUs: number): void {
    this.#row = row
    this.#atUs[row] = Math.max(atUs, this.#atUs[row]!)
  }

  /** @param value whole, within 64 bits */
  int(column: number, value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.#cells[column]![this.#row] = value
      return
    }
    const words = this.#words[column]!
    const high = Math.floor(value / 2 ** 32)
    words[2 * this.#row] = value - high * 2 ** 32
    words[2 * this.#row + 1] = high
  }

  float(column: number, value: number): void {
    this.#cells[column]![this.#row] = value
  }

  text(column: number, value: string): void {
    this.#cells[column]![this.#row] = this.#place(value)
  }

  /**
   * The snapshot of all rows. Its arrays are those of the builder: it is valid until `clear`.
   *
   * @param isShown which of its columns are in it, of those whose kind is known
   */
  build(isShown: (column: number) => boolean = () => true): Snapshot {
    const { rows } = this
    const isKnown = (_: unknown, column: number): boolean =>
      this.#columns[column]!.kind !== undefined && isShown(column)
    return new Snapshot({
      subject: this.#subject,
      columns: this.#columns.filter(isKnown) as Column[],
      ids: this.#ids.build(),
      texts: this.#texts.build(),
      atUs: this.#atUs.subarray(0, rows),
      switches: this.#switches.subarray(0, rows),
      cells: this.#cells.filter(isKnown).map((cells) => cells.subarray(0, rows)),
    })
  }

  #place(text: string): number {
    const known = this.#places.get(text)
    if (known !== undefined) return known
    const place = this.#texts.add(text)
    if (this.#places.size < MOST_REMEMBERED) this.#places.set(text, place)
    return place
  }

  #grow(capacity: number): void {
    const grown = <T extends ColumnCells>(larger: T, smaller: T): T => {
      larger.set(smaller as never)
      return larger
    }
    this.#atUs = grown(new Float64Array(capacity), this.#atUs)
    if (this.#switches.length > 0) this.#switches = grown(new Int32Array(capacity), this.#switches)
    this.#cells = this.#cells.map((cells, column) => grown(emptyCells(this.#columns[column]!.kind, capacity), cells))
    this.#words = this.#cells.map(wordsOf)
    this.#capacity = capacity
  }
}

function noneOf(kind: ColumnKind | undefined): bigint | number {
  if (kind === 'int') return NO_INT
  return kind === 'float' ? Number.NaN : NO_TEXT
}

function emptyCells(kind: ColumnKind | undefined, rows: number): ColumnCells {
  if (kind === 'int') return new BigInt64Array(rows).fill(NO_INT)
  if (kind === 'float') return new Float64Array(rows).fill(Number.NaN)
  return new Int32Array(kind === 'text' ? rows : 0).fill(NO_TEXT)
}

function wordsOf(cells: ColumnCells): Int32Array | undefined {
  return cells instanceof BigInt64Array ? new Int32Array(cells.buffer, cells.byteOffset, 2 * cells.length) : undefined
}
