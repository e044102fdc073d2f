/** The key of the notes on the suspects of a partition, in the slot of its stream. */
export function notesKey(key: string): string {
  return `${key}:trials`
}

/** The key of the marks of the servers that read, in the slot of the first partition. */
export function serversKey(firstKey: string): string {
  return `${firstKey}:servers`
}

/** A hash: topic → how many partitions it has by now. Gateways of the queue write it. */
export const TOPICS_KEY = 'queue:topics'

/** A hash: gateway → when it last said how it stands, ms by the clock of Redis, and what it said. */
export const GATEWAYS_KEY = 'queue:gateways'

/** The key of a partition's stream. The braces keep all keys of a partition in one slot of a Redis Cluster. */
export function streamKey(topic: string, partition: number): string {
  return `queue:{${topic}:${partition}}`
}

export function streamKeys(topic: string, partitions: number): string[] {
  return Array.from({ length: partitions }, (_, partition) => streamKey(topic, partition))
}
