/** The key of the notes on the suspects of a partition, in the slot of its stream. */
export function notesKey(key: string): string {
  return `${key}:trials`
}

/** The key of the marks of the servers that read, in the slot of the first partition. */
export function serversKey(firstKey: string): string {
  return `${firstKey}:servers`
}

/** The key of each partition's stream. The braces keep all keys of a partition in one slot of a Redis Cluster. */
export function streamKeys(topic: string, partitions: number): string[] {
  return Array.from({ length: partitions }, (_, partition) => `queue:{${topic}:${partition}}`)
}
