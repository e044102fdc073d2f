import type { Cells } from '../cells/cells.ts'
import type { Gpu } from './gpu.ts'
import { type GpuMetric, valueIn } from './gpu-metrics.ts'

/** The GPUs of one host, side by side. */
export type Group = readonly Gpu[]

/** The GPUs of each host, in the order in which they come. */
export function byHost(gpus: readonly Gpu[]): Group[] {
  const hosts = new Map<string, Gpu[]>()
  for (const gpu of gpus) {
    const group = hosts.get(gpu.host)
    if (group === undefined) hosts.set(gpu.host, [gpu])
    else group.push(gpu)
  }
  return [...hosts.values()]
}

/** The hosts with the worst GPU first, last those of which nothing is known now. GPUs keep their places in their host. */
export function worstFirst(groups: readonly Group[], metric: GpuMetric): Group[] {
  const ranks = new Map(groups.map((group) => [group, rankOfGroup(group, metric)]))
  return groups.toSorted((a, b) => ranks.get(b)! - ranks.get(a)!)
}

/** The same hosts in the order that they had, and new ones behind them. */
export function inOrderOf(groups: readonly Group[], hosts: readonly string[]): Group[] {
  const places = new Map(hosts.map((host, index) => [host, index]))
  const placeOf = (group: Group): number => places.get(group[0]!.host) ?? places.size
  return groups.toSorted((a, b) => placeOf(a) - placeOf(b))
}

/** How bad a value is: the higher, the worse. */
export function rankOf(gpu: Gpu, metric: GpuMetric): number | null {
  const value = valueIn(gpu, metric)
  if (value === null || gpu.isStale) return null
  return metric.worst === 'highest' ? value : -value
}

function rankOfGroup(group: Group, metric: GpuMetric): number {
  return Math.max(...group.map((gpu) => rankOf(gpu, metric) ?? -Infinity))
}

/** What the map draws. */
export function cellsOf(groups: readonly Group[], metric: GpuMetric): Cells {
  const gpus = groups.flat()
  return {
    ids: gpus.map(({ key }) => key),
    values: gpus.map((gpu) => valueIn(gpu, metric)),
    groups: groups.map((group) => ({ name: group[0]!.host, count: group.length })),
    stale: gpus.map(({ isStale }) => isStale),
    marked: gpus.map(hasXid),
  }
}

/** Whether its driver has reported an error since it was loaded. */
export function hasXid({ figures }: Gpu): boolean {
  return (figures.xid ?? 0) > 0
}
