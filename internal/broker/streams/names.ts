/** The key of each partition's stream. The braces keep all keys of a partition in one slot of a Redis Cluster. */
export function streamKeys(topic: string, partitions: number): string[] {
  return Array.from({ length: partitions }, (_, partition) => `queue:{${topic}:${partition}}`)
}
