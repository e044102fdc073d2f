import type { Snapshot } from '../../fabric/snapshot.ts'
import { SnapshotBuilder } from '../../fabric/snapshot-builder.ts'
import { MAX_FIELDS, type Shape } from '../../sample/shape.ts'

/** Of a field that has none. */
export const NO_COLUMN = -1

/** A row of a table, column by column. */
export interface CellSink {
  /** @param value whole, within 64 bits */
  int(column: number, value: number | bigint): void
  float(column: number, value: number): void
}

/** A port, as a row of the table of its fabric. */
export interface TablePort {
  readonly table: PortTable
  readonly id: Buffer
  readonly switchName: string | undefined
  /** Its row in the table, and of which answer. */
  row: number
  metIn: number
}

/** The ports of one fabric as a table. Its rows and columns are found again from answer to answer. */
export class PortTable implements CellSink {
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
