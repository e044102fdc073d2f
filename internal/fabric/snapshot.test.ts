import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CellValue, Column, ColumnKind, Snapshot, Subject } from './snapshot.ts'
import { SnapshotBuilder } from './snapshot-builder.ts'
import { decodeSnapshot, SnapshotError } from './decode-snapshot.ts'
import { encodeSnapshot } from './encode-snapshot.ts'

interface Row {
  readonly id: string
  readonly atUs: number
  readonly switchName: string | undefined
  readonly cells: readonly (CellValue | undefined)[]
}

interface Table {
  readonly subject: Subject
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
}

const CELLS: Record<ColumnKind, fc.Arbitrary<CellValue>> = {
  int: fc.oneof(
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n) + 1n, max: -(2n ** 53n) }),
  ),
  float: fc.double({ noNaN: true }),
  text: fc.string({ unit: 'binary' }),
}

const table: fc.Arbitrary<Table> = fc
  .record({
    subject: fc.constantFrom<Subject>('switch', 'fabric_port'),
    columns: fc.array(fc.record({ name: fc.string(), kind: fc.constantFrom<ColumnKind>('int', 'float', 'text') }), {
      maxLength: 5,
    }),
  })
  .chain(({ subject, columns }) =>
    fc.record({
      subject: fc.constant(subject),
      columns: fc.constant(columns),
      rows: fc.array(
        fc.record({
          id: fc.string({ unit: 'binary' }),
          atUs: fc.maxSafeInteger(),
          switchName: subject === 'switch' ? fc.constant(undefined) : fc.option(fc.string(), { nil: undefined }),
          cells: fc.tuple(...columns.map(({ kind }) => fc.option(CELLS[kind], { nil: undefined }))),
        }),
        { maxLength: 20 },
      ),
    }),
  )

function build({ subject, columns, rows }: Table): Snapshot {
  const builder = new SnapshotBuilder(subject, columns)
  for (const { id, atUs, switchName, cells } of rows) {
    const bytes = Buffer.from(id)
    builder.row(bytes, 0, bytes.length, atUs, switchName)
    for (const [column, cell] of cells.entries()) {
      if (cell === undefined) continue
      const { kind } = columns[column]!
      if (kind === 'int') builder.int(column, cell as number | bigint)
      else if (kind === 'float') builder.float(column, cell as number)
      else builder.text(column, cell as string)
    }
  }
  return builder.build()
}

function rowsOf(snapshot: Snapshot): Row[] {
  return Array.from({ length: snapshot.rows }, (_, row) => ({
    id: snapshot.id(row),
    atUs: snapshot.parts.atUs[row]!,
    switchName: snapshot.switchOf(row),
    cells: snapshot.parts.columns.map((_, column) => snapshot.value(row, column)),
  }))
}

/** Of bytes that are at any place of a larger buffer, as a part of an answer is. */
function moved(bytes: Buffer, by: number): Buffer {
  return Buffer.concat([Buffer.alloc(by), bytes]).subarray(by)
}

describe('a snapshot', () => {
  it('gives every cell back, from its builder and from its bytes', () => {
    fc.assert(
      fc.property(table, fc.nat({ max: 9 }), (made, by) => {
        // −0 is an integer like 0.
        const expected = made.rows.map((row) => ({
          ...row,
          cells: row.cells.map((cell, column) => (cell === 0 && made.columns[column]!.kind === 'int' ? 0 : cell)),
        }))
        const snapshot = build(made)
        expect(rowsOf(snapshot)).toEqual(expected)
        const bytes = encodeSnapshot(snapshot)
        // Also over other bytes, where there is room for it.
        for (const room of [by, bytes.length + by])
          expect(encodeSnapshot(snapshot, Buffer.alloc(room, 1)).equals(bytes)).toBe(true)
        const read = decodeSnapshot(moved(bytes, by))
        expect(rowsOf(read)).toEqual(expected)
        expect(read.parts.columns).toEqual(made.columns)
        expect(read.parts.subject).toBe(made.subject)
      }),
    )
  })

  it('grows with its rows', () => {
    const rows = Array.from({ length: 5_000 }, (_, row) => ({ id: `sw${row}`, atUs: row, switchName: undefined, cells: [row, row / 2, `t${row % 7}`] })) // biome-ignore format: one line
    const columns: Column[] = [
      { name: 'a', kind: 'int' },
      { name: 'b', kind: 'float' },
      { name: 'c', kind: 'text' },
    ]
    const snapshot = build({ subject: 'switch', columns, rows })
    expect(rowsOf(snapshot)).toEqual(rows)
    expect(snapshot.parts.texts.length).toBe(7)
    expect(snapshot.columnOf('b')).toBe(1)
    expect(snapshot.columnOf('d')).toBe(-1)
  })
})

describe('bytes that are no snapshot', () => {
  const columns: Column[] = [{ name: 'a', kind: 'text' }]
  const good = encodeSnapshot(
    build({ subject: 'fabric_port', columns, rows: [{ id: 'p', atUs: 1, switchName: 's', cells: ['x'] }] }),
  )

  it('are refused, wherever they are cut', () => {
    for (let end = 0; end < good.length; end++) {
      expect(() => decodeSnapshot(Buffer.from(good.subarray(0, end)))).toThrow(SnapshotError)
    }
  })

  it('give a snapshot that can be read, or are refused, whichever byte is another', () => {
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
        const bytes = Buffer.from(good)
        bytes[at] = byte
        try {
          rowsOf(decodeSnapshot(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(SnapshotError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
