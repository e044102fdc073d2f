import type { CellValue, Column, Snapshot } from './snapshot.ts'
import { SnapshotBuilder } from './snapshot-builder.ts'

/** All rows of both; where both have a value, a name or a time, the newer one's counts. Only for rows of one subject. */
export function mergeSnapshots(older: Snapshot, newer: Snapshot): Snapshot {
  const columns = new Map<string, Column>(older.parts.columns.map((column) => [column.name, column]))
  for (const column of newer.parts.columns) columns.set(column.name, column)
  const merged = [...columns.values()]
  const builder = new SnapshotBuilder(newer.parts.subject, merged)
  const newerRows = new Map(Array.from({ length: newer.rows }, (_, row) => [newer.id(row), row]))
  const add = (id: string, sources: readonly Place[]): void => {
    const { snapshot, row } = sources[0]!
    const name = Buffer.from(id)
    const switchName = sources.map((source) => source.snapshot.switchOf(source.row)).find((one) => one !== undefined)
    builder.row(name, 0, name.length, snapshot.parts.atUs[row]!, switchName)
    for (const [i, column] of merged.entries()) set(builder, i, column, firstValue(sources, column))
  }
  for (let row = 0; row < older.rows; row++) {
    const id = older.id(row)
    const newRow = newerRows.get(id)
    newerRows.delete(id)
    const old = { snapshot: older, row }
    add(id, newRow === undefined ? [old] : [{ snapshot: newer, row: newRow }, old])
  }
  for (const [id, row] of newerRows) add(id, [{ snapshot: newer, row }])
  return builder.build()
}

interface Place {
  readonly snapshot: Snapshot
  readonly row: number
}

function firstValue(places: readonly Place[], { name, kind }: Column): CellValue | undefined {
  for (const { snapshot, row } of places) {
    const column = snapshot.columnOf(name)
    if (column < 0 || snapshot.parts.columns[column]!.kind !== kind) continue
    const value = snapshot.value(row, column)
    if (value !== undefined) return value
  }
  return undefined
}

function set(builder: SnapshotBuilder, column: number, { kind }: Column, value: CellValue | undefined): void {
  if (value === undefined) return
  if (kind === 'int') builder.int(column, value as number | bigint)
  else if (kind === 'float') builder.float(column, value as number)
  else builder.text(column, value as string)
}
