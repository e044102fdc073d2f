import type { HostRow } from '../shared/api.ts'

export type HostsOrder = 'name' | 'cpu'

/** The hosts whose names contain the filter, in their order. */
export function matching(hosts: readonly HostRow[], filter: string): readonly HostRow[] {
  const wanted = filter.toLowerCase()
  return wanted === '' ? hosts : hosts.filter(({ host }) => host.toLowerCase().includes(wanted))
}

/** The busiest first, and last those of which nothing is known now. Equal ones keep their order. */
export function busiestFirst(hosts: readonly HostRow[]): readonly HostRow[] {
  return hosts.toSorted((a, b) => rank(b) - rank(a))
}

/** The same hosts with newer figures in the order that they had, and new ones behind them. */
export function inOrderOf(hosts: readonly HostRow[], before: readonly HostRow[]): readonly HostRow[] {
  const places = new Map(before.map(({ host }, index) => [host, index]))
  const placeOf = ({ host }: HostRow): number => places.get(host) ?? places.size
  return hosts.toSorted((a, b) => placeOf(a) - placeOf(b))
}

function rank({ stale, cpuPercent }: HostRow): number {
  if (stale) return -2
  return cpuPercent ?? -1
}
