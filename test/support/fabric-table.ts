import type { CellValue, Snapshot } from '../../internal/fabric/snapshot.ts'
import type { Table, TableReader } from '../../internal/fabric/table-reader.ts'
import { readTags } from '../../internal/sample/series-names.ts'

export interface SeenRow {
  readonly id: string
  readonly atUs: number
  /** Of a port: the name of its switch. */
  readonly switchName?: string
  /** Values by column; those without one are left out. */
  readonly cells: Readonly<Record<string, CellValue>>
}

export function rowsOf(snapshot: Snapshot): SeenRow[] {
  const { columns, atUs } = snapshot.parts
  return Array.from({ length: snapshot.rows }, (_, row) => {
    const cells: Record<string, CellValue> = {}
    for (const [column, { name }] of columns.entries()) {
      const value = snapshot.value(row, column)
      if (value !== undefined) cells[name] = value
    }
    const switchName = snapshot.switchOf(row)
    return { id: snapshot.id(row), atUs: atUs[row]!, ...(switchName === undefined ? {} : { switchName }), cells }
  })
}

/** Values of each row by its id. */
export function cellsOf({ snapshot }: Table): Record<string, SeenRow['cells']> {
  return Object.fromEntries(rowsOf(snapshot).map(({ id, cells }) => [id, cells]))
}

export function kindsOf({ snapshot }: Table): Record<string, string> {
  return Object.fromEntries(snapshot.parts.columns.map(({ name, kind }) => [name, kind]))
}

/** The tags of each row by its id. */
export function tagsOf({ snapshot, known, knownOf }: Table): Record<string, Record<string, string>> {
  return Object.fromEntries(
    Array.from({ length: snapshot.rows }, (_, row) => {
      const number = knownOf[row]!
      const names = known.bytes.subarray(known.namesAt(number), known.namesEnd(number))
      return [snapshot.id(row), Object.fromEntries(readTags(names, 0))]
    }),
  )
}

/** What was bad so far, without what was not. */
export function badOf({ badRowsBy, badCellsBy }: TableReader): Record<string, number> {
  return Object.fromEntries([...badRowsBy, ...badCellsBy].filter(([, count]) => count > 0))
}
