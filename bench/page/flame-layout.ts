import type { Flame, Frame } from './data.ts'

/** The positions and own values of the nodes of a flame graph, by the index of the node in the flame. */
export interface Layout {
  /** The value of the whole profile. */
  readonly total: number
  /** The value that lies to the left of a node. */
  readonly start: readonly number[]
  /** The node that calls it; −1 for none. */
  readonly parent: readonly number[]
  /** The value of a node without its callees. */
  readonly own: readonly number[]
  readonly deepest: number
}

export function layOut({ nodes: { depth, value } }: Flame): Layout {
  const start: number[] = []
  const parent: number[] = []
  const own = [...value]
  /** The last node at each depth: those above a node are its callers. */
  const path: number[] = []
  /** The start of the next callee of each caller. */
  const next: number[] = []
  let total = 0
  for (const [node, size] of value.entries()) {
    const caller = depth[node] === 0 ? -1 : path[depth[node]! - 1]!
    const from = caller < 0 ? total : next[caller]!
    start.push(from)
    parent.push(caller)
    next.push(from)
    path[depth[node]!] = node
    if (caller < 0) total += size
    else {
      next[caller] = from + size
      own[caller]! -= size
    }
  }
  return { total, start, parent, own, deepest: depth.reduce((most, at) => Math.max(most, at), 0) }
}

/** Functions with their own values, the largest first. */
export function costliest({ frames, nodes }: Flame, { own }: Layout): Array<{ frame: Frame; own: number }> {
  const sums = new Map<number, number>()
  for (const [node, frame] of nodes.frame.entries()) sums.set(frame, (sums.get(frame) ?? 0) + own[node]!)
  return [...sums].map(([frame, sum]) => ({ frame: frames[frame]!, own: sum })).sort((a, b) => b.own - a.own)
}

/** The own values of the code of each origin, added up. */
export function byOrigin(flame: Flame, layout: Layout): Map<Frame['origin'], number> {
  const sums = new Map<Frame['origin'], number>()
  for (const { frame, own } of costliest(flame, layout)) sums.set(frame.origin, (sums.get(frame.origin) ?? 0) + own)
  return sums
}

/** The frames that a search finds by name or file, and the value in them, callees included. */
export function search(flame: Flame, layout: Layout, words: string): { found: ReadonlySet<number>; value: number } {
  const wanted = words.trim().toLowerCase()
  const found = new Set<number>()
  if (wanted === '') return { found, value: 0 }
  for (const [i, { name, file }] of flame.frames.entries()) {
    if (`${name} ${file}`.toLowerCase().includes(wanted)) found.add(i)
  }
  // The value of a match includes its callees already.
  const inMatch: boolean[] = []
  let value = 0
  for (const [node, frame] of flame.nodes.frame.entries()) {
    const callerMatches = layout.parent[node]! >= 0 && inMatch[layout.parent[node]!]!
    inMatch.push(callerMatches || found.has(frame))
    if (found.has(frame) && !callerMatches) value += flame.nodes.value[node]!
  }
  return { found, value }
}
