/** One message's place among the deliveries of a subscription. Reused: valid only during the call. */
export interface Delivery {
  /** Counts up by one from 1. */
  id: number
  /**
   * 0–999 for a message that may be delivered again: the same each time, and different for most messages of a moment. −1 where the engine
   * knows no message twice.
   */
  tie: number
  /** Whether it may have been delivered before, to this consumer or to one that is gone (streams). */
  redelivered: boolean
}

/**
 * Called once a message, never concurrently. `payload` and `delivery` are valid only during the call. It should not throw: a message on
 * which it does is poison, and its delivery need not be acked.
 */
export type MessageHandler = (payload: Buffer, delivery: Readonly<Delivery>) => void

export interface SubscribeOptions {
  /**
   * Takes a message that the consumer cannot bear: its handler threw on it, or the process died of it again and again (streams). The engine
   * forgets it when this has returned, and where it gives a promise, when that has resolved. `payload` is the callee's to keep.
   *
   * @param id names the message in the engine; '' where it has no names
   * @param deliveries how often it was delivered
   * @param problem for people
   */
  onPoison?(payload: Buffer, id: string, deliveries: number, problem: string): void | Promise<void>
}

/** The receiving end. Messages of one key arrive in the order in which they were published. */
export interface Subscription {
  /**
   * Holds messages back where nothing is lost: in Redis (streams), or with their publishers, which hear that nobody listens (pubsub) or
   * wait (memory). Over Redis some that are on their way may still come.
   */
  pause(): void
  resume(): void
  /** While the store is away, streams takes nothing over from others: it could not do better with it than they. */
  storeAway(isAway: boolean): void
  /** All messages up to and including this delivery are stored or dead letters: the broker may forget them. Cumulative. */
  ack(upTo: number): void
  /**
   * No message is delivered after it resolves. Those that the engine had sent before are delivered first, unless it is paused and the
   * engine (streams) or the publisher (memory) keeps them. Acks still count.
   */
  stop(): Promise<void>
  /** Sends the acks that wait and ends the connection. What was not acked stays with the engine, where it can. */
  close(): Promise<void>
}

/** Plain counters since the start, read when somebody asks. */
export interface BrokerStats {
  /** Connections to the engine that were lost and came up again. */
  reconnects: number
  /** Times that a handler threw: each is a bug of ours. */
  handlerErrors: number
  /** Streams: consumer groups that had vanished and were made anew. */
  groupsRemade: number
  /** Streams: entries that trimming took away after they had been read and before they were acked, and that no server holds any more. */
  trimmedUnacked: number
  /** Streams: entries that trimming took away before anybody had read them. Each is counted by one server of the group. */
  trimmedUnread: number
  /** Streams: entries taken over from a consumer that is gone. */
  claimed: number
  /** Messages of the live channel that were let go because the engine was away or slow. */
  liveDropped: number
}

export function newStats(): BrokerStats {
  return {
    reconnects: 0,
    handlerErrors: 0,
    groupsRemade: 0,
    trimmedUnacked: 0,
    trimmedUnread: 0,
    claimed: 0,
    liveDropped: 0,
  }
}

/** What a partition of Streams has in store for its group, whichever of its servers asks. */
export interface PartitionBacklog {
  readonly partition: number
  /** Messages not read yet; undefined where Redis does not know (before 7.0). */
  readonly lag: number | undefined
  /** Messages read and not acked. */
  readonly pending: number
  /** How long ago the oldest message that is not acked, read or not, was published; 0 where there is none. */
  readonly oldestAgeMs: number
}

/** State of the connection, for `/ready` and the log. */
export interface BrokerHealth {
  readonly connected: boolean
  /** What is wrong and what to do, without secrets; '' when connected. */
  readonly problem: string
}

/**
 * The way from the server to the APIs: whatever changed, coalesced, and the latest value of each series for a warm start. May
 * lose messages; never holds up the caller.
 */
export interface LiveChannel {
  /** The buffers are handed over: not changed afterwards. @param latest series key and payload: kept 24 h for `recall`. */
  publish(payload: Buffer, latest: ReadonlyArray<readonly [key: string, payload: Buffer]>): void
  /** Returns the undo. */
  subscribe(handler: (payload: Buffer) => void): Promise<() => Promise<void>>
  /** The payloads kept, in no order. */
  recall(): Promise<Buffer[]>
}

/**
 * Keeps for the servers of a channel how far each source had got, so that the next process goes on counting. A line of text a source; what
 * it means is its writer's affair.
 */
export interface CheckpointStore {
  /** All that is kept. Stays pending while the engine is away; rejects when the broker is closed, or the engine refuses. */
  load(): Promise<Map<string, string>>
  /** Puts these in the place of what was kept of the same sources, and forgets others. @throws BrokerError */
  save(checkpoints: ReadonlyMap<string, string>, forget?: readonly string[]): Promise<void>
}

/**
 * Carries messages from publishers to servers. `publish` and `subscribe` may be used side by side; nothing is called after `close`.
 */
export interface Broker {
  readonly kind: 'pubsub' | 'streams' | 'memory'
  /**
   * Resolves when the engine has the message, with the number of servers that it was queued for; 0 means that nobody listens and
   * the message is gone (pubsub, memory). Rejects with a BrokerError when it is known not to be there or nothing is known.
   */
  publish(key: string, payload: Buffer): Promise<number>
  /** Resolves when messages come; stays pending while the engine is away (`health` says why), and rejects when the broker is closed. */
  subscribe(handler: MessageHandler, options?: SubscribeOptions): Promise<Subscription>
  readonly stats: Readonly<BrokerStats>
  readonly live: LiveChannel
  /** Where a server keeps how far each source had got; none where the engine itself keeps what a server has not had (streams, memory). */
  readonly checkpoints?: CheckpointStore
  /** Streams: of the partitions that the subscriber reads, some seconds old. None while there is no subscriber, and while Redis is away. */
  readonly backlog?: readonly PartitionBacklog[]
  health(): BrokerHealth
  close(): Promise<void>
}

/** Why a publish failed, by what to do next. */
export class BrokerError extends Error {
  /** `not_sent`: send it again. `unknown`: it may have arrived; send it again and let the seq show a duplicate. `refused`: sending it again is useless. */
  readonly kind: 'not_sent' | 'unknown' | 'refused'

  constructor(kind: BrokerError['kind'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'BrokerError'
    this.kind = kind
  }
}
