import type { Texts } from './texts.ts'

/** What a row is about: the measurement of its samples. */
export type Subject = 'switch' | 'fabric_port'

/** A column keeps its kind for ever: a store refuses a field that was an integer yesterday and is a float today. */
export type ColumnKind = 'int' | 'float' | 'text'

/** A metric of a snapshot. Columns that say who a row is about, and when, are none. */
export interface Column {
  readonly name: string
  readonly kind: ColumnKind
}

/** `int` is a number where that is exact (below 2^53), and else a bigint. */
export type CellValue = number | bigint | string

/** The parts of a snapshot, each an array with an entry a row. All of it is shared: nobody writes to it. */
export interface SnapshotParts {
  readonly subject: Subject
  readonly columns: readonly Column[]
  /** What clients call a row: `sw5`, or `<guid>_<port>`. No two rows have the same. */
  readonly ids: Texts
  /** Texts of cells and names of switches, each once. */
  readonly texts: Texts
  /** µs since the epoch. */
  readonly atUs: Float64Array
  /** Of a port: the place of its switch's name in `texts`, or −1. Empty where rows are switches. */
  readonly switches: Int32Array
  /**
   * In the order of `columns`. An `int` has 64 bits, two's complement, with −2^63 for no value; a `float` has NaN for
   * none; a `text` is a place in `texts`, with −1 for none.
   */
  readonly cells: readonly ColumnCells[]
}

export type ColumnCells = BigInt64Array | Float64Array | Int32Array

export const NO_INT = -(2n ** 63n)
export const NO_TEXT = -1
const EXACT = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * All rows that one target of a fabric gave at one time, column by column. 100,000 rows of 31 counters take 26 MB,
 * travel as they are, and are read in place.
 */
export class Snapshot {
  readonly parts: SnapshotParts
  readonly #columns: ReadonlyMap<string, number>

  constructor(parts: SnapshotParts) {
    this.parts = parts
    this.#columns = new Map(parts.columns.map(({ name }, index) => [name, index]))
  }

  get rows(): number {
    return this.parts.atUs.length
  }

  /** The place of a column, or −1. */
  columnOf(name: string): number {
    return this.#columns.get(name) ?? -1
  }

  id(row: number): string {
    return this.parts.ids.at(row)
  }

  /** The name of the switch that a port belongs to, where the source says it. */
  switchOf(row: number): string | undefined {
    return this.#text(this.parts.switches[row])
  }

  /** The value of a cell; undefined where the source gave none. */
  value(row: number, column: number): CellValue | undefined {
    const cells = this.parts.cells[column]
    const cell = cells?.[row]
    if (cell === undefined) return undefined
    if (typeof cell === 'bigint') return intValue(cell)
    if (cells instanceof Int32Array) return this.#text(cell)
    return Number.isNaN(cell) ? undefined : cell
  }

  #text(place: number | undefined): string | undefined {
    return place === undefined || place < 0 || place >= this.parts.texts.length ? undefined : this.parts.texts.at(place)
  }
}

function intValue(cell: bigint): number | bigint | undefined {
  if (cell === NO_INT) return undefined
  return cell >= -EXACT && cell <= EXACT ? Number(cell) : cell
}
