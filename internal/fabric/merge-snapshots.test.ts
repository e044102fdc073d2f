import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { snapshotOf } from '../../test/support/fabric.ts'
import { rowsOf, type SeenRow } from '../../test/support/fabric-table.ts'
import { mergeSnapshots } from './merge-snapshots.ts'
import type { CellValue, Column, ColumnKind, Snapshot } from './snapshot.ts'

const KINDS: Readonly<Record<string, ColumnKind>> = { a: 'int', b: 'float', c: 'text', d: 'float' }
const VALUES: Readonly<Record<ColumnKind, fc.Arbitrary<CellValue>>> = {
  int: fc.oneof(
    fc.constant(2n ** 63n - 1n),
    fc.integer().map((value) => value),
  ),
  float: fc.constantFrom(0, 0.5, -7.25),
  text: fc.constantFrom('up', 'down'),
}

const some = fc.subarray(Object.keys(KINDS))
const snapshot = some.chain((names) =>
  fc
    .uniqueArray(
      fc.record({
        id: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
        atUs: fc.nat(),
        switchName: fc.constantFrom(undefined, 'leaf', 'spine'),
        cells: fc.tuple(...names.map((name) => fc.option(VALUES[KINDS[name]!], { nil: undefined }))),
      }),
      { selector: ({ id }) => id },
    )
    .map((rows) => of(names, rows)),
)

type Row = { id: string; atUs: number; switchName: string | undefined; cells: (CellValue | undefined)[] }

function of(names: readonly string[], rows: readonly Row[], kinds = KINDS): Snapshot {
  const columns: Column[] = names.map((name) => ({ name, kind: kinds[name]! }))
  return snapshotOf(
    'fabric_port',
    columns,
    rows.map(({ switchName, ...row }) => ({ ...row, ...(switchName === undefined ? {} : { switchName }) })),
  )
}

function byId(merged: Snapshot): Map<string, SeenRow> {
  return new Map(rowsOf(merged).map((row) => [row.id, row]))
}

describe('mergeSnapshots', () => {
  it('has all rows, and of each the newer name, time and values', () => {
    fc.assert(
      fc.property(snapshot, snapshot, (older, newer) => {
        const [old, young] = [byId(older), byId(newer)]
        const expected = new Map(
          [...old.keys(), ...young.keys()].map((id) => {
            const cells = { ...old.get(id)?.cells, ...young.get(id)?.cells }
            return [id, { ...old.get(id), ...young.get(id), cells }]
          }),
        )
        const merged = mergeSnapshots(older, newer)
        expect(byId(merged)).toEqual(expected)
        expect(merged.rows).toBe(expected.size)
      }),
    )
  })

  it('gives a column the kind that it has now, and leaves out values of the other', () => {
    const row = (cells: CellValue[]): Row => ({ id: 'p1', atUs: 1, switchName: undefined, cells })
    const older = of(['a', 'b'], [row([1, 2]), { ...row([3, 4]), id: 'p2' }])
    const newer = of(['a'], [row(['up'])], { a: 'text' })
    const merged = mergeSnapshots(older, newer)
    expect(merged.parts.columns).toEqual([{ name: 'a', kind: 'text' }, { name: 'b', kind: 'float' }]) // biome-ignore format: one line
    expect(rowsOf(merged).map(({ cells }) => cells)).toEqual([{ a: 'up', b: 2 }, { b: 4 }])
  })
})
