import { nodeOf } from '../../fabric/known-rows.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import type { FabricGeneration } from './fabric-generation.ts'
import { naturally } from './naturally.ts'
import { Slices } from './slices.ts'

/** The rows of a switch: itself, or its ports. */
export interface Group {
  /** '' where rows are switches. The GUID of its node where the source has no name for the switch of a port. */
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
    const name = nameOfSwitch(target.snapshot, row - target.firstRow)
    const rows = groups.get(name)
    if (rows === undefined) groups.set(name, [row])
    else rows.push(row)
    if (slices.isOver) await slices.pause()
  }
  return Array.from(groups, ([name, rows]) => ({ name, rows })).sort((a, b) => naturally(a.name, b.name))
}

function nameOfSwitch(snapshot: Snapshot, row: number): string {
  return snapshot.parts.subject === 'switch' ? '' : (snapshot.switchOf(row) ?? nodeOf(snapshot.id(row)))
}
