import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { type CountersTable, isSameCell } from './counters-table.ts'

/** A table, and the time of its rows where they have none of their own, µs. */
export interface TakenTable {
  readonly table: CountersTable
  readonly takenAtUs?: number
}

/** What a store has of tables. */
export interface StoredCells {
  /** Rows that were taken, and those of them that are stored once with each value. */
  readonly rows: number
  readonly stored: number
  /** Cells that are stored as they were written. */
  readonly cells: number
  /** What is wrong, in words, a few of it. */
  readonly problems: readonly string[]
}

/** How many problems are told. */
const TOLD = 5

/** Compares rows of a store, in any order, with all rows of tables: each value once, at its time, and nothing else. */
export class CellComparison {
  readonly #expected = new Map<string, { readonly table: CountersTable; readonly line: string }>()
  readonly #problems: string[] = []
  readonly #rows: number
  #stored = 0
  #cells = 0

  constructor(taken: readonly TakenTable[]) {
    for (const { table, takenAtUs } of taken) {
      for (const line of table.lines) {
        const cells = table.cellsOf(line)
        this.#expected.set(`${table.idOf(cells)} ${table.timeOf(cells) ?? takenAtUs}000`, { table, line })
      }
    }
    this.#rows = this.#expected.size
  }

  /** @param found the text of a metric; '' where it has no value */
  row(id: string, timeNs: string, found: (metric: string) => string): void {
    const key = `${id} ${timeNs}`
    const expected = this.#expected.get(key)
    if (expected === undefined) {
      this.#tell(`${key} was never made, or is stored twice`)
      return
    }
    this.#expected.delete(key)
    const { table, line } = expected
    const cells = table.cellsOf(line)
    const wrong = table.metrics.filter(({ name, cell }) => !isSameCell(cells[cell]!, found(name)))
    this.#cells += table.metrics.filter(({ cell }) => cells[cell] !== '').length - wrong.length
    if (wrong.length === 0) this.#stored++
    for (const { name, cell } of wrong) this.#tell(`${key} ${name}: ${cells[cell]} became ${found(name)}`)
  }

  end(): StoredCells {
    for (const key of this.#expected.keys()) this.#tell(`${key} is not stored`)
    return { rows: this.#rows, stored: this.#stored, cells: this.#cells, problems: this.#problems }
  }

  #tell(problem: string): void {
    if (this.#problems.length < TOLD) this.#problems.push(problem)
  }
}

export interface StoredRows {
  readonly url: string
  readonly database: string
  readonly measurement: 'switch' | 'fabric_port'
  /** The tag `fabric`, where there are several. */
  readonly fabric?: string
}

/** Compares what an InfluxDB has. As CSV: its JSON would round integers beyond 2^53. */
export async function compareStored(place: StoredRows, taken: readonly TakenTable[]): Promise<StoredCells> {
  const { url, database, measurement, fabric } = place
  const where = fabric === undefined ? '' : ` WHERE "fabric" = '${fabric}'`
  const query = { db: database, epoch: 'ns', chunked: 'true', q: `SELECT * FROM "${measurement}"${where}` }
  const response = await fetch(`${url}/query?${new URLSearchParams(query)}`, { headers: { accept: 'application/csv' } })
  const comparison = new CellComparison(taken)
  let columns = new Map<string, number>()
  for await (const line of createInterface({ input: Readable.fromWeb(response.body as ReadableStream) })) {
    if (line === '') continue
    // No value of the generator has a comma or a quote in it.
    const cells = line.split(',')
    if (cells[0] === 'name') columns = new Map(cells.map((name, cell) => [name, cell]))
    else {
      const of = (name: string): string => cells[columns.get(name) ?? -1] ?? ''
      const id = measurement === 'switch' ? of('switch') : `${of('node_guid')}_${of('port_num')}`
      comparison.row(id, of('time'), of)
    }
  }
  return comparison.end()
}
