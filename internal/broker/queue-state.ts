/** What a group has of a partition of the queue. */
export interface GroupState {
  readonly group: string
  /** Entries that no consumer has read yet; undefined where Redis does not know. */
  readonly lag: number | undefined
  /** Entries that were read and not acked. */
  readonly pending: number
  /** How long ago the oldest one without an ack was added; 0 where there is none. */
  readonly oldestAgeMs: number
  /** How long ago anyone last asked for entries; undefined where nobody ever did. */
  readonly idleMs: number | undefined
  /** Gateways and servers that read for the group, or did so of late. */
  readonly readers: readonly ReaderState[]
}

export interface ReaderState {
  readonly name: string
  readonly pending: number
  readonly idleMs: number
}

/** A partition of the queue, as the engine has it. */
export interface PartitionState {
  readonly topic: string
  readonly partition: number
  /** Entries, acked or not. */
  readonly length: number
  /** How long ago the oldest entry was added; 0 where there is none. */
  readonly firstAgeMs: number
  readonly groups: readonly GroupState[]
}

/** Messages of one partition on the disk of a gateway. */
export interface OnDisk {
  readonly topic: string
  readonly partition: number
  readonly messages: number
  readonly bytes: number
}

/** Clients that are connected to a gateway. */
export interface ConnectedConsumers {
  readonly topic: string
  readonly group: string
  /** Null: of all partitions. */
  readonly partition: number | null
  readonly count: number
}

/** What a gateway says of itself: nobody else knows what its disk has, and who is connected to it. */
export interface GatewayReport {
  readonly bytes: number
  readonly maxBytes: number
  /** What is wrong with its disk; '' where nothing is. */
  readonly problem: string
  readonly onDisk: readonly OnDisk[]
  readonly consumers: readonly ConnectedConsumers[]
}

export interface GatewayState extends GatewayReport {
  readonly name: string
  /** How long ago it last said so. */
  readonly ageMs: number
}

/** The whole queue at one moment. */
export interface QueueState {
  /** How many partitions there are, those that were not looked at too. */
  readonly total: number
  readonly partitions: readonly PartitionState[]
  readonly gateways: readonly GatewayState[]
}

/** Looks at what a broker keeps for those who read it. */
export interface QueueReader {
  /** The topic of samples. */
  readonly topic: string
  /** Entries of a partition of that topic at which the oldest are trimmed, read or not; undefined where age decides. */
  readonly trimsAt: number | undefined
  /** @throws BrokerError */
  look(): Promise<QueueState>
}
