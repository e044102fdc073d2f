import type { GenerationHead, SnapshotName, TargetHead } from '../fabric/generation.ts'
import type { QueueReader } from './queue-state.ts'

/** The number and the traits of one delivery. The object is reused: it is valid only during the call. */
export interface Delivery {
  /** Counts up by one from 1. */
  id: number
  /**
   * 0–999 for a message that may be delivered again: the same at each delivery, and different for most messages of
   * one moment. −1 where the engine delivers no message twice.
   */
  tie: number
  /** Whether the message may have been delivered before, to this consumer or to one that is gone (streams). */
  redelivered: boolean
}

/**
 * Called once a message, never concurrently. `payload` and `delivery` are valid only during the call. It should not
 * throw: a message on which it throws is poison, and that delivery needs no ack.
 */
export type MessageHandler = (payload: Buffer, delivery: Readonly<Delivery>) => void

/** How the reads of a broker that reads in steps go together with what becomes of its messages. */
export interface ReadTiming {
  /**
   * How long a message may wait for a read, ms.
   *
   * @param readers servers of the group, this one too
   */
  readWithinMs(readers: number): number
  /** All that was read is delivered, and nothing more comes for so long, ms. */
  nothingForMs(pauseMs: number): void
}

export interface SubscribeOptions {
  /**
   * Takes a message that this program cannot process: the handler threw on it, or the process died of it several
   * times (streams). The engine forgets the message when this has returned, and where it returns a promise, when that
   * has resolved. The callee may keep `payload`.
   *
   * @param id names the message in the engine; '' where the engine has no names
   * @param deliveries how often the message was delivered
   * @param problem for people
   */
  onPoison?(payload: Buffer, id: string, deliveries: number, problem: string): void | Promise<void>
  /** Where a broker that reads in steps (streams) asks when to read. */
  readonly timing?: ReadTiming
  /**
   * Keeps how far the streams were, over restarts and beside Redis: so a stream that vanished while no server ran is
   * noticed.
   */
  readonly positions?: CheckpointStore
  /**
   * Called every few seconds (streams).
   *
   * @param beforeMs everything that was published before this moment is acked, ms of `performance.now()`
   * @param isAlone whether no other process of the group has read since this one subscribed
   */
  onSettled?(beforeMs: number, isAlone: boolean): void
}

/** The receiving end. Messages of one key arrive in the order in which they were published. */
export interface Subscription {
  /**
   * Stops deliveries without losing messages. They stay in Redis (streams) or with their publishers, whose `publish`
   * returns 0 (pubsub) or stays pending (memory). Over Redis, some messages that are on their way may still be
   * delivered.
   */
  pause(): void
  resume(): void
  /** While the store is away, Streams claims no entries of other consumers: this server could not store them either. */
  storeAway(isAway: boolean): void
  /** All messages up to and including this delivery are stored or dead letters: the broker may forget them. */
  ack(upTo: number): void
  /**
   * No message is delivered after it resolves. Messages that the engine had sent before are delivered first, unless
   * the subscription is paused and the engine (streams) or the publisher (memory) keeps them. Acks still count.
   */
  stop(): Promise<void>
  /** Sends the acks that wait and ends the connection. The engine keeps messages without an ack, where it can. */
  close(): Promise<void>
}

/** Plain counters since the start. Metrics read them. */
export interface BrokerStats {
  /** Connections to the engine that were lost and came up again. */
  reconnects: number
  /** Reads of the connections that bring messages (pubsub). */
  reads: number
  /** Times that a handler threw: each is a bug of ours. */
  handlerErrors: number
  /** Streams: consumer groups that had vanished and were created again. */
  groupsRemade: number
  /** Streams: consumer groups that this process created and had not known before. */
  groupsMade: number
  /** Streams: times that a stream was found to be another one than before, without what the group had not read. */
  streamsVanished: number
  /** Streams: entries that were read, then trimmed before their ack, and that no server holds any more. */
  trimmedUnacked: number
  /** Streams: entries that were trimmed before any server had read them. One server of the group counts each. */
  trimmedUnread: number
  /** Streams: entries claimed from a consumer that is gone. */
  claimed: number
  /** Pub/Sub: times that a subscriber stopped taking messages because it was behind, and how long in all, ms. */
  heldBack: number
  heldBackMs: number
  /** Messages of the live channel that were dropped because the engine was away or slow. */
  liveDropped: number
  /** Announcements of generations that nobody can read, such as those of a later version. */
  headsRefused: number
}

export function newStats(): BrokerStats {
  return {
    reconnects: 0,
    reads: 0,
    handlerErrors: 0,
    groupsRemade: 0,
    groupsMade: 0,
    streamsVanished: 0,
    trimmedUnacked: 0,
    trimmedUnread: 0,
    claimed: 0,
    heldBack: 0,
    heldBackMs: 0,
    liveDropped: 0,
    headsRefused: 0,
  }
}

/** What one partition of Streams still has for its group. All servers of the group see the same figures. */
export interface PartitionBacklog {
  readonly partition: number
  /** Messages that no server has read yet; undefined where Redis does not know (before 7.0). */
  readonly lag: number | undefined
  /** Messages that servers have read and not acked. */
  readonly pending: number
  /** Milliseconds since the oldest message without an ack, read or not, was published; 0 where there is none. */
  readonly oldestAgeMs: number
  /** Milliseconds since the oldest message that no server has read was published; 0 where there is none. */
  readonly unreadAgeMs: number
}

/** What Redis has for a subscriber that has not read it yet (pubsub). */
export interface Unread {
  /** How long ago the oldest of it was published, ms: so much later it is read. */
  readonly ageMs: number
  /** Beyond a limit Redis cuts the subscriber off. */
  readonly bytes: number
}

/** When Redis cuts a subscriber off, and all that waits for it is lost: `client-output-buffer-limit pubsub`. */
export interface OutputLimit {
  /** At so many unread bytes, at once; Infinity where never. */
  readonly hardBytes: number
  /** When so many bytes have been unread all through `softMs`; Infinity where never. */
  readonly softBytes: number
  readonly softMs: number
}

export interface CutOff {
  readonly limit: OutputLimit
  /** Redis does not say it: it is what Redis has by default. */
  readonly isAssumed: boolean
  /** What comes in now; left out where Redis does not say it. */
  readonly bytesPerSecond?: number
}

/**
 * What a process does with the broker. Its user of Redis needs the rights for that (docs/redis.md).
 *
 * - `publish`: publishes samples
 * - `consume`: receives them
 * - `announce`, `watch`: publishes to the live channel, and listens to it and to the generations of fabrics
 * - `snapshot`: puts snapshots, and announces generations
 * - `look`: looks at what waits (streams)
 */
export type BrokerUse = 'publish' | 'consume' | 'announce' | 'watch' | 'snapshot' | 'look'

/** State of the connection, for `/ready` and the log. */
export interface BrokerHealth {
  /** Whether it is connected, and nothing is refused that this process asks for. */
  readonly connected: boolean
  /** What is wrong and what to do, without secrets; '' when connected. */
  readonly problem: string
}

/** How long `recall` finds the latest value of a series after it was last published. */
export const LIVE_KEPT_MS = 24 * 3_600_000

/** A reading that the live channel has kept. */
export interface KeptReading {
  readonly payload: Buffer
  /** How long ago it arrived at a server, ms, by the clocks of the server and of this machine; never below 0. */
  readonly ageMs: number
}

/** The latest reading of a series, to be kept. */
export interface LatestReading extends KeptReading {
  /** The key of the series. */
  readonly key: string
}

/**
 * The way from the servers to the APIs: coalesced changes, and the latest value of each series for a warm start. It
 * may lose messages, and it never blocks the caller.
 */
export interface LiveChannel {
  /** Whether anybody listened to the newest message that the engine has answered; true before. */
  readonly isHeard: boolean
  /** The caller must not change the buffers afterwards. @param latest kept for `recall` */
  publish(payload: Buffer, latest: readonly LatestReading[]): void
  /** Returns the undo. */
  subscribe(handler: (payload: Buffer) => void): Promise<() => Promise<void>>
  /** The readings of the last `LIVE_KEPT_MS`, in no order. */
  recall(): Promise<KeptReading[]>
}

/** How long snapshots are kept after a generation with them was last announced. */
export const SNAPSHOTS_KEPT_MS = 24 * 3_600_000

/** @param isKept whether the engine has kept the head for a while: it may be as old as its time says */
export type HeadListener = (head: GenerationHead, isKept: boolean) => void

/**
 * The way of the rows of fabrics, from those who read their targets to the APIs: whole snapshots, and announcements of
 * generations that are made of them. What is announced can be read, also by an API that starts later.
 */
export interface Snapshots {
  /** Resolves when the engine has all of it. Putting the same again changes nothing. @throws BrokerError */
  put(name: SnapshotName, bytes: Buffer): Promise<void>
  /**
   * Makes the generation the newest one of its fabric and publisher, and tells the APIs. The one before can be read for
   * another minute.
   *
   * @returns the targets whose snapshots the engine does not have, because they were not put or it lost them. Then
   *   nothing is announced: put them, and announce again
   * @throws BrokerError
   */
  announce(head: GenerationHead): Promise<readonly TargetHead[]>
  /** The head that was announced last of a fabric by a publisher, within `SNAPSHOTS_KEPT_MS`. @throws BrokerError */
  newest(fabric: string, publisher: string): Promise<GenerationHead | undefined>
  /**
   * The bytes of a snapshot, which nobody else writes to. Undefined where the engine does not have all of them. Stays
   * pending while the engine is away.
   *
   * @param roomFor gives so many bytes of memory, where the engine needs it. Default: new memory
   * @throws BrokerError
   */
  read(name: SnapshotName, bytes: number, roomFor?: (bytes: number) => Buffer): Promise<Buffer | undefined>
  /**
   * Calls the listener with the newest head of each fabric and publisher, then with each that is announced. After a
   * time without a connection it does both again, so a head may come twice, and an older one after a newer. Stays
   * pending while the engine is away.
   *
   * @param listener should not throw
   * @returns the undo
   */
  subscribe(listener: HeadListener): Promise<() => Promise<void>>
}

/**
 * Keeps the checkpoint of each run for the servers of a channel, so that the next process goes on counting. A
 * checkpoint is a line of text; only its writer reads it.
 */
export interface CheckpointStore {
  /**
   * All checkpoints, by run id. Stays pending while the engine is away; rejects when the broker is closed or the engine
   * refuses.
   */
  load(): Promise<Map<string, string>>
  /** Replaces the checkpoints of these runs, and deletes those of the runs in `forget`. @throws BrokerError */
  save(checkpoints: ReadonlyMap<string, string>, forget?: readonly string[]): Promise<void>
}

/**
 * Carries messages from publishers to servers. `publish` and `subscribe` may be used side by side; nothing is called
 * after `close`.
 */
export interface Broker {
  readonly kind: 'pubsub' | 'streams' | 'memory'
  /**
   * Resolves when the engine has the message, with the number of servers that will get it. 0 means that no server
   * listens and the message is gone (pubsub, memory). Rejects with a BrokerError when the engine does not have the
   * message, or may not have it.
   */
  publish(key: string, payload: Buffer): Promise<number>
  /**
   * Where a message that `publish` answers may still be lost with the process (memory): resolves only when the message is
   * acked, which means stored, a dead letter, or in the spool; with 0 when nobody listens, or the subscriber ended first.
   * It was delivered by then, or waits: after 0 it may come a second time.
   */
  publishUntilAcked?(key: string, payload: Buffer): Promise<number>
  /**
   * Resolves when messages come. Stays pending while the engine is away (`health` says why); rejects when the broker is
   * closed.
   */
  subscribe(handler: MessageHandler, options?: SubscribeOptions): Promise<Subscription>
  readonly stats: Readonly<BrokerStats>
  readonly live: LiveChannel
  readonly snapshots: Snapshots
  /**
   * Where a server keeps the checkpoints of runs; undefined where the engine keeps messages that no server has taken
   * (streams, memory).
   */
  readonly checkpoints?: CheckpointStore
  /**
   * Streams: the partitions that the subscriber reads, as of some seconds ago. Empty without a subscriber, and while
   * Redis is away.
   */
  readonly backlog?: readonly PartitionBacklog[]
  /** Streams: what waits there, whoever reads it. The other engines keep nothing that nobody has taken. */
  readonly queue?: QueueReader
  /** Pub/Sub: what the subscriber has not read yet; undefined without one. */
  readonly unread?: Unread | undefined
  /**
   * Pub/Sub: why the subscriber holds back, or did so until lately, in words; '' while it keeps up. Redis would lose what
   * is not read in time, so a subscriber that is behind stops to listen, and publishers keep their messages.
   */
  readonly behind?: string
  /** Pub/Sub: when Redis would cut a server off, at the present rate. Takes a second. */
  cutOff?(): Promise<CutOff>
  /** Streams: whether another process reads as the same consumer. */
  readonly hasNamesake?: boolean
  health(): BrokerHealth
  close(): Promise<void>
}

/** Why a publish failed, by what to do next. */
export class BrokerError extends Error {
  /**
   * `not_sent`: send it again. `unknown`: it may have arrived; send it again, and `seq` shows the duplicate.
   * `refused`: sending it again is useless: the message can never be taken, or the engine is one that never can.
   */
  readonly kind: 'not_sent' | 'unknown' | 'refused'

  constructor(kind: BrokerError['kind'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'BrokerError'
    this.kind = kind
  }
}
