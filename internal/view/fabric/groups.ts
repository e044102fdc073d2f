import type { FabricGeneration } from './fabric-generation.ts'
import { naturally } from './naturally.ts'
import { Slices } from './slices.ts'

/** The rows of a switch: itself, or its ports. */
export interface Group {
  /** '' where rows are switches, or the source does not say whose port one is. */
  readonly name: string
  /** In natural order. */
  readonly rows: readonly number[]
}

/** The rows of a generation, those of a switch one after the other, the switches in natural order. */
export async function groupsOf(generation: FabricGeneration): Promise<readonly Group[]> {
  const slices = new Slices()
  const groups = new Map<string, number[]>()
  for (const first of generation.index.order) {
    const row = generation.newest(first)
    const target = generation.targetOf(row)
    const name = target.snapshot.switchOf(row - target.firstRow) ?? ''
    const rows = groups.get(name)
    if (rows === undefined) groups.set(name, [row])
    else rows.push(row)
    if (slices.isOver) await slices.pause()
  }
  return Array.from(groups, ([name, rows]) => ({ name, rows })).sort((a, b) => naturally(a.name, b.name))
}
