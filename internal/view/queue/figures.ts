/** Who reads a partition for a group: a server, or a gateway. */
export interface QueueReaderFigures {
  readonly name: string
  /** Messages that it has read and not acked. */
  readonly pending: number
  /** Whether it asked for messages of late. */
  readonly reads: boolean
  /** How long ago it did, ms; 0 while it reads, in whole seconds otherwise. */
  readonly idleMs: number
  /** Clients of the group that are connected to it, where it is a gateway; null where it is none. */
  readonly clients: number | null
}

export interface QueueGroup {
  readonly group: string
  /** Messages that nobody of the group has read; null where Redis does not know. */
  readonly lag: number | null
  /** Messages that were read and not acked. */
  readonly pending: number
  /** How long ago the oldest one without an ack was added, ms; 0 where there is none. */
  readonly oldestAgeMs: number
  readonly readers: readonly QueueReaderFigures[]
  /** What somebody has to do, a sentence each. */
  readonly attention: readonly string[]
}

/** Messages on the disk of a gateway. */
export interface QueueOnDisk {
  readonly gateway: string
  readonly messages: number
  readonly bytes: number
}

export interface QueuePartition {
  readonly topic: string
  readonly partition: number
  /** Messages in Redis, acked or not. */
  readonly length: number
  /** The largest of its groups; without a group, all that it has. Null where Redis does not know. */
  readonly lag: number | null
  /** Of all its groups. */
  readonly pending: number
  /** Messages on disks of gateways, and their bytes. */
  readonly overflow: number
  readonly overflowBytes: number
  /** How long ago the oldest message was added that some group has not acked, ms; 0 where there is none. */
  readonly oldestAgeMs: number
  readonly groups: readonly QueueGroup[]
  readonly onDisk: readonly QueueOnDisk[]
  /** What somebody has to do, a sentence each: that of its groups too. */
  readonly attention: readonly string[]
}

export interface QueueGateway {
  readonly name: string
  /** How long it has said nothing of itself, ms; 0 while it does, in whole seconds otherwise. */
  readonly silentMs: number
  readonly messages: number
  readonly bytes: number
  readonly maxBytes: number
  readonly consumers: number
  /** What somebody has to do, a sentence each. */
  readonly attention: readonly string[]
}

/** What waits, and who reads it. */
export interface QueueFigures {
  readonly broker: 'streams' | 'pubsub' | 'memory'
  /** Why there is no queue; null where there is one. */
  readonly reason: string | null
  /** How many partitions there are, those that are left out too. */
  readonly total: number
  readonly partitions: readonly QueuePartition[]
  readonly gateways: readonly QueueGateway[]
}
