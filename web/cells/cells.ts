/** What a map draws: a cell each, those of one group side by side. */
export interface Cells {
  readonly ids: readonly string[]
  /** In the order of `ids`; null where there is none. */
  readonly values: readonly (number | string | null)[]
  /** The groups, in order; one without a name where cells have none. */
  readonly groups: readonly { readonly name: string; readonly count: number }[]
  /** Which cells are stale; absent where none is, or all are. */
  readonly stale?: readonly boolean[]
  /** Which cells have a mark in their corner; absent where none has. */
  readonly marked?: readonly boolean[]
}

/** The name of the group that a cell is in. */
export function groupOf({ groups }: Cells, index: number): string {
  let first = 0
  for (const { name, count } of groups) {
    first += count
    if (index < first) return name
  }
  return ''
}

/** The texts of a map, in order: as many as there are shades for. */
export function textsOf(values: Cells['values']): string[] {
  return [...new Set(values.filter((value) => typeof value === 'string'))].sort()
}
