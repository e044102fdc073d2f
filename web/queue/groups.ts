import type { QueueGroup, QueuePartition, QueueReaderFigures } from '../../internal/view/queue/figures.ts'
import { countOf, countText } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'

/** A group over all partitions of its topic. */
export interface WholeGroup {
  readonly topic: string
  readonly group: string
  /** Null where Redis does not know it of one of them. */
  readonly lag: number | null
  readonly pending: number
  readonly oldestAgeMs: number
  /** Names of who reads now, each once. */
  readonly readers: readonly string[]
  /** Names of who did, and does not now. */
  readonly gone: readonly string[]
  readonly needsSomebody: boolean
}

/** The groups of all partitions, in the order in which they come. */
export function wholeGroups(partitions: readonly QueuePartition[]): WholeGroup[] {
  const found = new Map<string, WholeGroup>()
  for (const { topic, groups } of partitions) {
    for (const group of groups) {
      const key = `${topic} ${group.group}`
      found.set(key, joined(topic, group, found.get(key)))
    }
  }
  return [...found.values()]
}

function joined(topic: string, { group, ...figures }: QueueGroup, before: WholeGroup | undefined): WholeGroup {
  const reading = figures.readers.filter(({ reads }) => reads).map(({ name }) => name)
  const readers = [...new Set([...(before?.readers ?? []), ...reading])]
  const all = [...(before?.readers ?? []), ...(before?.gone ?? []), ...figures.readers.map(({ name }) => name)]
  const knowsLag = before?.lag !== null && figures.lag !== null
  return {
    ...{ topic, group },
    lag: knowsLag ? (before?.lag ?? 0) + (figures.lag ?? 0) : null,
    pending: (before?.pending ?? 0) + figures.pending,
    oldestAgeMs: Math.max(before?.oldestAgeMs ?? 0, figures.oldestAgeMs),
    readers,
    gone: [...new Set(all)].filter((name) => !readers.includes(name)),
    needsSomebody: before?.needsSomebody === true || figures.attention.length > 0,
  }
}

const MOST_NAMES = 3

/** `web-01, web-02 and 4 others`. */
export function namesText(names: readonly string[]): string {
  if (names.length <= MOST_NAMES) return names.join(', ')
  return `${names.slice(0, MOST_NAMES - 1).join(', ')} and ${countText(names.length - MOST_NAMES + 1)} others`
}

/** Who reads a partition: `sentinel: web-01`, a group each; `nobody` where none reads. */
export function readByTexts({ groups }: Pick<QueuePartition, 'groups'>): string[] {
  return groups.map(({ group, readers }) => {
    const names = readers.filter(({ reads }) => reads).map(({ name }) => name)
    return `${group}: ${names.length === 0 ? 'nobody' : namesText(names)}`
  })
}

/** `reads, holds 3, 2 clients`, `silent for 2 min, holds nothing`. */
export function readerText({ reads, idleMs, pending, clients }: QueueReaderFigures): string {
  return [
    reads ? 'reads' : `silent for ${ageText(idleMs)}`,
    `holds ${pending === 0 ? 'nothing' : countText(pending)}`,
    ...(clients === null ? [] : [countOf(clients, 'client')]),
  ].join(', ')
}
