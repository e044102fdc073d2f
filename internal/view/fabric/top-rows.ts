import type { FabricGeneration } from './fabric-generation.ts'
import { Slices } from './slices.ts'

/** What rows are compared by. */
export type TopBy = 'value' | 'delta' | 'rate'

/**
 * The rows with the largest figures of a metric, the largest first; of equal ones the first in natural order. Rows
 * without that figure are left out.
 */
export async function topRows(
  generation: FabricGeneration,
  metric: string,
  by: TopBy,
  limit: number,
): Promise<number[]> {
  const slices = new Slices()
  const rows: number[] = []
  const figures: number[] = []
  for (const first of generation.index.order) {
    if (slices.isOver) await slices.pause()
    const row = generation.newest(first)
    const figure = figureOf(generation, row, metric, by)
    if (figure === undefined || (rows.length === limit && figure <= figures.at(-1)!)) continue
    const at = placeFor(figure, figures)
    figures.splice(at, 0, figure)
    rows.splice(at, 0, row)
    if (rows.length > limit) {
      figures.pop()
      rows.pop()
    }
  }
  return rows
}

function figureOf(generation: FabricGeneration, row: number, metric: string, by: TopBy): number | undefined {
  const target = generation.targetOf(row)
  const column = target.snapshot.columnOf(metric)
  if (column < 0) return undefined
  if (by !== 'value') return target.change(row - target.firstRow, column)[by]
  const value = target.snapshot.value(row - target.firstRow, column)
  const figure = typeof value === 'string' || value === undefined ? Number.NaN : Number(value)
  return Number.isFinite(figure) ? figure : undefined
}

/** Behind all that are as large. */
function placeFor(figure: number, figures: readonly number[]): number {
  let from = 0
  let to = figures.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (figures[middle]! >= figure) from = middle + 1
    else to = middle
  }
  return from
}
