import type { LabelledPort } from '../../fabric/port-labels.ts'
import { isPossible } from '../../fabric/row-time.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import { SnapshotBuilder } from '../../fabric/snapshot-builder.ts'
import { MAX_FIELDS, type Shape } from '../../sample/shape.ts'
import { type CellSink, NO_COLUMN, type WideRow, type WideRows } from './wide-rows.ts'

/** Labels may name any fabric, and each takes memory in every API. */
const MOST_FABRICS = 16

/** A port, as a row of the table of its fabric. */
export interface TablePort {
  readonly table: FabricTable
  readonly id: Buffer
  readonly switchName: string | undefined
  /** Its row in the table, and of which answer. */
  row: number
  metIn: number
}

/** The ports of one fabric that an answer had: valid until the next answer is read. */
export interface PortSnapshot {
  readonly fabric: string
  readonly snapshot: Snapshot
}

/**
 * The ports of one answer as tables, a fabric each, as those that are asked for as CSV: what a view shows. An answer has
 * a line a value, in any order; a table has a row a port and a column a metric.
 */
export class PortTables {
  readonly #maxCells: number
  readonly #tables = new Map<string, FabricTable>()
  /** Counts answers. */
  #answer = 0
  #nowUs = 0

  /** @param maxCells of a table: few ports with many metrics of their own make a large one of few values */
  constructor(maxCells: number) {
    this.#maxCells = maxCells
  }

  /** Why not all ports of the answer are in tables, for people; '' where they are. */
  get problem(): string {
    const full = [...this.#tables.values()].find(({ isFull }) => isFull)
    if (full !== undefined) return `a table of the ports of the fabric ${full.fabric} would have over ${this.#maxCells} cells` // biome-ignore format: one line
    return this.#tables.size > MOST_FABRICS ? `its ports are of more than ${MOST_FABRICS} fabrics` : ''
  }

  /** Begins the tables of the next answer, of this time, µs since the epoch. */
  begin(nowUs: number): void {
    this.#answer++
    this.#nowUs = nowUs
    for (const table of this.#tables.values()) table.clear()
  }

  /** All ports are unknown again. */
  forget(): void {
    this.#tables.clear()
  }

  /** The row of a port. */
  portOf({ id, fabric, switchName }: LabelledPort): TablePort {
    let table = this.#tables.get(fabric)
    if (table === undefined) {
      // What is beyond the bound shares a table that nobody shows.
      const name = this.#tables.size < MOST_FABRICS ? fabric : ''
      table = this.#tables.get(name) ?? new FabricTable(name, this.#maxCells)
      this.#tables.set(name, table)
    }
    return table.portOf(id, switchName)
  }

  /** Takes the values of a row that is encoded next, where it is one of a port. */
  add(row: WideRow, rows: WideRows): void {
    const { port, atUs } = row
    if (port === undefined || row.count === 0) return
    const columns = port.table.begin(port, this.#answer, isPossible(atUs, this.#nowUs) ? atUs : this.#nowUs, row.shape)
    if (columns !== undefined) rows.fill(row, columns, port.table)
  }

  /** Of the answer that was read, fabric by fabric. */
  snapshots(): PortSnapshot[] {
    return [...this.#tables.values()].flatMap((table) => {
      const snapshot = table.fabric === '' ? undefined : table.build()
      return snapshot === undefined ? [] : [{ fabric: table.fabric, snapshot }]
    })
  }
}

/** The table of one fabric. Its rows and columns are found again from answer to answer. */
class FabricTable implements CellSink {
  readonly fabric: string
  /** It would be too large: nothing of it is shown. */
  isFull = false
  readonly #maxCells: number
  readonly #builder = new SnapshotBuilder('fabric_port', [])
  readonly #ports = new Map<string, TablePort>()
  readonly #columns = new Map<string, number>()
  /** By the fields of a row: the column of each. */
  readonly #byShape = new Map<Shape, Int32Array>()
  /** The columns that have a value in this answer. */
  readonly #isMet = new Uint8Array(MAX_FIELDS)

  constructor(fabric: string, maxCells: number) {
    this.fabric = fabric
    this.#maxCells = maxCells
  }

  clear(): void {
    this.#builder.clear()
    this.#isMet.fill(0)
    this.isFull = false
  }

  portOf(id: string, switchName: string): TablePort {
    const known = this.#ports.get(id)
    if (known !== undefined) return known
    const port: TablePort = {
      ...{ table: this, id: Buffer.from(id), switchName: switchName || undefined, row: 0, metIn: 0 },
    }
    this.#ports.set(id, port)
    return port
  }

  /** Goes to the row of a port. @returns the columns of these fields; undefined where there is no room */
  begin(port: TablePort, answer: number, atUs: number, shape: Shape): Int32Array | undefined {
    const builder = this.#builder
    const isNew = port.metIn !== answer
    const rows = builder.rows + (isNew ? 1 : 0)
    const columns = this.isFull ? undefined : this.#columnsOf(shape, rows)
    this.isFull ||= columns === undefined || this.#columns.size * rows > this.#maxCells
    if (this.isFull) return undefined
    if (isNew) {
      port.metIn = answer
      port.row = builder.rows
      builder.row(port.id, 0, port.id.length, atUs, port.switchName)
    } else builder.again(port.row, atUs)
    return columns
  }

  int(column: number, value: number | bigint): void {
    this.#isMet[column] = 1
    this.#builder.int(column, value)
  }

  float(column: number, value: number): void {
    this.#isMet[column] = 1
    this.#builder.float(column, value)
  }

  /** @returns undefined where it has no rows, or would be too large */
  build(): Snapshot | undefined {
    return this.isFull || this.#builder.rows === 0
      ? undefined
      : this.#builder.build((column) => this.#isMet[column] === 1)
  }

  /** As of a table of CSV, what is beyond the most columns is none. @returns undefined where there is no room */
  #columnsOf(shape: Shape, rows: number): Int32Array | undefined {
    const known = this.#byShape.get(shape)
    if (known !== undefined) return known
    const fields = shape.fieldNames.map((name, i) => ({ name, kind: shape.fieldKinds[i] === 'int' ? 'int' : 'float' }) as const) // biome-ignore format: one line
    const added = fields.filter(({ name }) => !this.#columns.has(name)).slice(0, MAX_FIELDS - this.#columns.size)
    if ((this.#columns.size + added.length) * rows > this.#maxCells) return undefined
    for (const { name, kind } of added) this.#columns.set(name, this.#builder.column(name, kind))
    const columns = Int32Array.from(fields, ({ name }) => this.#columns.get(name) ?? NO_COLUMN)
    this.#byShape.set(shape, columns)
    return columns
  }
}
