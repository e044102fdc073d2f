import type { LabelledPort } from '../../fabric/port-labels.ts'
import { isPossible } from '../../fabric/row-time.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import { PortTable, type TablePort } from './port-table.ts'
import type { WideRow, WideRows } from './wide-rows.ts'

/** Labels may name any fabric, and each takes memory in every API. */
const MOST_FABRICS = 16

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
  readonly #tables = new Map<string, PortTable>()
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
      table = this.#tables.get(name) ?? new PortTable(name, this.#maxCells)
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
