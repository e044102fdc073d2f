import type { TargetHead } from '../../fabric/generation.ts'
import type { CellValue, Column, ColumnKind, Snapshot } from '../../fabric/snapshot.ts'
import { saturationOf } from './counter-widths.ts'
import type { RowIndex } from './row-index.ts'
import type { Slices } from './slices.ts'

/** How a value changed since the snapshot before. */
export interface Change {
  /** What came on top; undefined where that cannot be known. Never negative. */
  readonly delta: number | undefined
  /** That a second, by the times of the two rows. */
  readonly rate: number | undefined
  /** A counter fell: it was cleared, or its device started again. Other figures fall as they like. */
  readonly reset: boolean
  /** The counter has stood at the largest value that it can hold: it may count no more. */
  readonly saturated: boolean
}

/** The snapshot before, of the same target. */
interface Before {
  readonly name: string
  readonly snapshot: Snapshot
  /** By row of this snapshot: the row of the other, or −1. Undefined where they are the same. */
  readonly rows: Int32Array | undefined
}

/** A counter of 32 bits that was in the upper part of its range, and is in the lower one, went round. */
const WRAP = 2 ** 32
const UPPER = WRAP * 0.75
const LOWER = WRAP * 0.25

/** What is shown of one target: its newest good snapshot, and the one before it. */
export class TargetRows {
  readonly publisher: string
  readonly head: TargetHead
  readonly snapshot: Snapshot
  /** The number of its first row among those of all targets. */
  readonly firstRow: number
  readonly #before: Before | undefined
  /** By column. */
  readonly #columnBefore: Int32Array
  readonly #saturation: ReadonlyArray<number | undefined>

  constructor(loaded: LoadedTarget, firstRow: number, before: Before | undefined) {
    this.publisher = loaded.publisher
    this.head = loaded.head
    this.snapshot = loaded.snapshot
    this.firstRow = firstRow
    this.#before = before
    const { columns } = loaded.snapshot.parts
    this.#columnBefore = Int32Array.from(columns, (column) => columnIn(before?.snapshot, column))
    this.#saturation = columns.map(({ name, kind }) => (kind === 'int' ? saturationOf(name) : undefined))
  }

  /** The memory that its values, and those before, are read from. */
  get memory(): ArrayBufferLike[] {
    return [this.snapshot, ...(this.#before ? [this.#before.snapshot] : [])].map(({ parts }) => parts.atUs.buffer)
  }

  /** Names the snapshot before; '' where there is none. */
  get before(): string {
    return this.#before?.name ?? ''
  }

  /** What this becomes when the snapshots of another target change, and with them the numbers of its rows. */
  movedTo(firstRow: number, head: TargetHead): TargetRows {
    if (firstRow === this.firstRow && head === this.head) return this
    return new TargetRows({ publisher: this.publisher, head, snapshot: this.snapshot }, firstRow, this.#before)
  }

  /** @param row of this target, from 0 */
  change(row: number, column: number): Change {
    const now = this.snapshot.value(row, column)
    const before = this.#valueBefore(row, column)
    const largest = this.#saturation[column]
    const saturated = largest !== undefined && now === largest && (before === undefined || before === largest)
    if (now === undefined || before === undefined || typeof now === 'string' || typeof before === 'string')
      return { delta: undefined, rate: undefined, reset: false, saturated }
    const { kind } = this.snapshot.parts.columns[column]!
    const delta = growth(before, now, kind)
    const seconds = (this.snapshot.parts.atUs[row]! - this.#before!.snapshot.parts.atUs[this.#rowBefore(row)]!) / 1e6
    const rate = seconds > 0 ? delta && delta / seconds : delta === 0 ? 0 : undefined
    return { delta, rate, reset: delta === undefined && kind === 'int', saturated }
  }

  #valueBefore(row: number, column: number): CellValue | undefined {
    const rowBefore = this.#rowBefore(row)
    const columnBefore = this.#columnBefore[column]!
    return rowBefore < 0 || columnBefore < 0 ? undefined : this.#before!.snapshot.value(rowBefore, columnBefore)
  }

  #rowBefore(row: number): number {
    const before = this.#before
    if (before === undefined) return -1
    return before.rows === undefined ? row : before.rows[row]!
  }
}

/** A snapshot that was read and decoded. */
export interface LoadedTarget {
  readonly publisher: string
  readonly head: TargetHead
  readonly snapshot: Snapshot
}

/** Where the rows of a snapshot are in the one before it. @param index of the one before, whose target begins at `firstRow` */
export async function rowsBefore(
  snapshot: Snapshot,
  before: TargetRows,
  index: RowIndex,
  slices: Slices,
): Promise<Before> {
  const { ids } = snapshot.parts
  const was = { name: before.head.snapshot, snapshot: before.snapshot }
  if (ids.equals(before.snapshot.parts.ids)) return { ...was, rows: undefined }
  const rows = new Int32Array(snapshot.rows)
  for (let row = 0; row < rows.length; row++) {
    rows[row] = rowOf(index, index.find(ids.at(row)), before)
    if (slices.isOver) await slices.pause()
  }
  return { ...was, rows }
}

/** The row of a target that has the id of this row of the fabric, or −1. */
function rowOf(index: RowIndex, row: number, { firstRow, snapshot }: TargetRows): number {
  const own = (index.sameAs.get(row) ?? [row]).find((one) => one >= firstRow && one < firstRow + snapshot.rows)
  return own === undefined ? -1 : own - firstRow
}

function columnIn(snapshot: Snapshot | undefined, { name, kind }: Column): number {
  const column = snapshot?.columnOf(name) ?? -1
  return column >= 0 && snapshot!.parts.columns[column]!.kind === kind ? column : -1
}

/** What came on top of a value; undefined where it fell, and no counter went round. */
function growth(before: number | bigint, now: number | bigint, kind: ColumnKind): number | undefined {
  // Exact also beyond 2^53: the difference of two large counters is small.
  const delta =
    typeof before === 'bigint' || typeof now === 'bigint' ? Number(BigInt(now) - BigInt(before)) : now - before
  if (delta >= 0) return delta
  const wentRound = kind === 'int' && before < WRAP && before >= UPPER && now < LOWER
  return wentRound ? delta + WRAP : undefined
}
