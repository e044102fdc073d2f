import type { GenerationHead } from '../../fabric/generation.ts'
import type { ColumnKind } from '../../fabric/snapshot.ts'
import type { RowIndex } from './row-index.ts'
import type { TargetRows } from './target-rows.ts'

/** A metric of a fabric: a column of any of its targets. */
export interface Metric {
  readonly name: string
  readonly kind: ColumnKind
}

/**
 * All that is shown of a fabric, of one moment. A newer generation takes its place, and one that comes after that its
 * memory: whoever reads it for longer than a turn of the event loop says so by `during`, and sees whole rows of one
 * generation, however long that takes.
 */
export class FabricGeneration {
  readonly fabric: string
  /** Names it: the same in each process that shows the same snapshots. */
  readonly id: string
  /** Names it together with what its values are compared with. */
  readonly changesId: string
  /** When it was put together, µs since the epoch. */
  readonly madeAtUs: number
  readonly targets: readonly TargetRows[]
  readonly index: RowIndex
  /** In the order in which the targets list them. */
  readonly metrics: readonly Metric[]
  #covered: ReadonlySet<TargetRows> | undefined
  #readers = 0

  /** @param heads of its publishers, in the order of their names */
  constructor(heads: readonly GenerationHead[], targets: readonly TargetRows[], index: RowIndex) {
    this.fabric = heads[0]!.fabric
    this.id = heads.map(({ id }) => id).join('-')
    this.changesId = [this.id, ...targets.map(({ before }) => before)].join('-')
    this.madeAtUs = Math.max(...heads.map(({ atUs }) => atUs))
    this.targets = targets
    this.index = index
    const metrics = new Map<string, Metric>()
    for (const { snapshot } of targets)
      for (const column of snapshot.parts.columns) if (!metrics.has(column.name)) metrics.set(column.name, column)
    this.metrics = [...metrics.values()]
  }

  /** Keeps it as it is until this work, which reads it, is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#readers++
    try {
      return await work
    } finally {
      this.#readers--
    }
  }

  /** Whether such work is under way. */
  get isRead(): boolean {
    return this.#readers > 0
  }

  /** Rows with different ids. */
  get rows(): number {
    return this.index.order.length
  }

  hasMetric(name: string): boolean {
    return this.targets.some(({ snapshot }) => snapshot.columnOf(name) >= 0)
  }

  /** Which row of the fabric has this id: see `RowIndex.find`. Of several targets that give it, the one with the newest. */
  find(id: string): number {
    const row = this.index.find(id)
    return row < 0 || this.index.sameAs.size === 0 ? row : this.newest(row)
  }

  /** Of the rows with the same id the one with the newest time. */
  newest(row: number): number {
    const same = this.index.sameAs.get(row)
    if (same === undefined) return row
    return same.reduce((newest, other) => (this.atUs(other) > this.atUs(newest) ? other : newest))
  }

  /** The targets of which no row is shown, because others have newer ones of each. */
  get covered(): ReadonlySet<TargetRows> {
    this.#covered ??= this.#findCovered()
    return this.#covered
  }

  #findCovered(): ReadonlySet<TargetRows> {
    const left = new Map(this.targets.map((target) => [target, target.snapshot.rows]))
    for (const [first, rows] of this.index.sameAs) {
      const newest = this.newest(first)
      for (const row of rows) {
        const target = this.targetOf(row)
        if (row !== newest) left.set(target, left.get(target)! - 1)
      }
    }
    return new Set(this.targets.filter((target) => target.snapshot.rows > 0 && left.get(target) === 0))
  }

  targetOf(row: number): TargetRows {
    const { targets } = this
    let from = 0
    let to = targets.length - 1
    while (from < to) {
      const middle = (from + to + 1) >>> 1
      if (targets[middle]!.firstRow <= row) from = middle
      else to = middle - 1
    }
    return targets[from]!
  }

  atUs(row: number): number {
    const target = this.targetOf(row)
    return target.snapshot.parts.atUs[row - target.firstRow]!
  }

  idOf(row: number): string {
    const target = this.targetOf(row)
    return target.snapshot.id(row - target.firstRow)
  }
}
