import { type Broker, BrokerError } from '../../broker/broker.ts'
import type {
  GatewayState,
  GroupState,
  PartitionState,
  QueueReader,
  QueueState,
  ReaderState,
} from '../../broker/queue-state.ts'
import { attentionOfGateway, attentionOfGroup, attentionOfPartition, SAYS_WITHIN_MS } from './attention.ts'
import type { QueueFigures, QueueGateway, QueueGroup, QueuePartition, QueueReaderFigures } from './figures.ts'

/** Servers ask several times a second. */
const READS_WITHIN_MS = 5_000
/** One look serves all who ask within so long, ms. */
const SHARED_MS = 1000
/** Of a partition, and of a group: whoever makes more of them is told by their number in Redis. */
const MOST_GROUPS = 100
const MOST_READERS = 100

const REASONS = {
  pubsub:
    'Messages go over Redis Pub/Sub, which keeps none: what no server takes stays with the agents, on disk. Start the roles with --broker-kind streams to have a queue.',
  memory:
    'The memory broker hands messages over within this process, and they wait in its outbox: "held" below counts them. Set REDIS_URL and --broker-kind streams to have a queue.',
  streams: null,
}

/** The engine does not answer now, or refuses. */
export class QueueAwayError extends Error {}

/** The queue as the API shows it. Many viewers cost Redis one look a second, and none costs nothing. */
export class QueueView {
  readonly #broker: Pick<Broker, 'kind' | 'queue'>
  readonly #monotonicMs: () => number
  #looking: Promise<QueueFigures> | undefined
  #newest: { readonly atMs: number; readonly figures: QueueFigures } | undefined

  /** @param monotonicMs monotonic time, ms */
  constructor(broker: Pick<Broker, 'kind' | 'queue'>, monotonicMs: () => number = () => performance.now()) {
    this.#broker = broker
    this.#monotonicMs = monotonicMs
  }

  /** The same object for all who ask within a second. @throws QueueAwayError */
  async figures(): Promise<QueueFigures> {
    const atMs = this.#monotonicMs()
    if (this.#newest !== undefined && atMs - this.#newest.atMs < SHARED_MS) return this.#newest.figures
    this.#looking ??= this.#look(atMs).finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(atMs: number): Promise<QueueFigures> {
    const { kind, queue } = this.#broker
    const reason = REASONS[kind]
    const figures: QueueFigures =
      queue === undefined || reason !== null
        ? { broker: kind, reason, total: 0, partitions: [], gateways: [] }
        : { broker: kind, reason: null, ...figuresOf(await lookAt(queue), queue) }
    this.#newest = { atMs, figures }
    return figures
  }
}

async function lookAt(queue: QueueReader): Promise<QueueState> {
  try {
    return await queue.look()
  } catch (cause) {
    throw cause instanceof BrokerError ? new QueueAwayError(cause.message, { cause }) : cause
  }
}

function figuresOf(
  { total, partitions, gateways }: QueueState,
  samples: Pick<QueueReader, 'topic' | 'trimsAt'>,
): Pick<QueueFigures, 'total' | 'partitions' | 'gateways'> {
  return {
    total,
    partitions: partitions.map((partition) => partitionOf(partition, gateways, samples)),
    gateways: gateways.map(gatewayOf),
  }
}

function partitionOf(
  state: PartitionState,
  gateways: readonly GatewayState[],
  samples: Pick<QueueReader, 'topic' | 'trimsAt'>,
): QueuePartition {
  const { topic, partition, length, firstAgeMs } = state
  const onDisk = gateways.flatMap(({ name, ageMs, onDisk }) =>
    onDisk
      .filter((each) => each.topic === topic && each.partition === partition)
      .map((each) => ({ ...each, name, ageMs })),
  )
  const groups = state.groups.slice(0, MOST_GROUPS).map((group) => groupOf(state, group, gateways, samples))
  const lags = groups.map(({ lag }) => lag)
  return {
    ...{ topic, partition, length },
    lag: groups.length === 0 ? length : lags.includes(null) ? null : Math.max(...lags.map((lag) => lag ?? 0)),
    pending: groups.reduce((sum, { pending }) => sum + pending, 0),
    overflow: onDisk.reduce((sum, { messages }) => sum + messages, 0),
    overflowBytes: onDisk.reduce((sum, { bytes }) => sum + bytes, 0),
    oldestAgeMs: groups.length === 0 ? firstAgeMs : Math.max(...groups.map(({ oldestAgeMs }) => oldestAgeMs)),
    groups,
    onDisk: onDisk.map(({ name, messages, bytes }) => ({ gateway: name, messages, bytes })),
    attention: [...attentionOfPartition(state, onDisk, samples), ...groups.flatMap(({ attention }) => attention)],
  }
}

function groupOf(
  partition: PartitionState,
  state: GroupState,
  gateways: readonly GatewayState[],
  samples: Pick<QueueReader, 'topic' | 'trimsAt'>,
): QueueGroup {
  const { group, lag = null, pending, oldestAgeMs } = state
  const clients = clientsByGateway(partition, group, gateways)
  const known = state.readers.map((reader) => readerOf(reader, clients.get(reader.name)))
  const names = new Set(known.map(({ name }) => name))
  // Redis knows a consumer from its first message on.
  const waiting = [...clients].filter(([name, { count }]) => count > 0 && !names.has(name))
  const all = [...known, ...waiting.map(([name, gateway]) => readerOf({ name, pending: 0, idleMs: 0 }, gateway))]
  const isRead = all.some(({ reads }) => reads)
  return {
    ...{ group, lag, pending, oldestAgeMs },
    readers: all.slice(0, MOST_READERS),
    attention: attentionOfGroup(partition, state, isRead, samples),
  }
}

interface GatewayClients {
  /** Clients that get messages of the group and partition. */
  readonly count: number
  /** Whether the gateway still says how it stands. */
  readonly isThere: boolean
}

function clientsByGateway(
  { topic, partition }: PartitionState,
  group: string,
  gateways: readonly GatewayState[],
): ReadonlyMap<string, GatewayClients> {
  return new Map(
    gateways.map(({ name, ageMs, consumers }) => {
      const ours = consumers.filter(
        (each) =>
          each.topic === topic && each.group === group && (each.partition === null || each.partition === partition),
      )
      const isThere = ageMs < SAYS_WITHIN_MS
      return [name, { isThere, count: isThere ? ours.reduce((sum, { count }) => sum + count, 0) : 0 }]
    }),
  )
}

/** A gateway reads while it has clients. Redis before 7.2 counts a read that finds nothing as none, so its idle time may say otherwise. */
function readerOf({ name, pending, idleMs }: ReaderState, gateway: GatewayClients | undefined): QueueReaderFigures {
  const reads = gateway === undefined ? idleMs < READS_WITHIN_MS : gateway.count > 0
  return { name, pending, reads, idleMs: reads ? 0 : wholeSeconds(idleMs), clients: gateway?.count ?? null }
}

function gatewayOf(state: GatewayState): QueueGateway {
  const { name, ageMs, bytes, maxBytes, onDisk, consumers } = state
  return {
    ...{ name, silentMs: ageMs < SAYS_WITHIN_MS ? 0 : wholeSeconds(ageMs) },
    messages: onDisk.reduce((sum, { messages }) => sum + messages, 0),
    ...{ bytes, maxBytes },
    consumers: consumers.reduce((sum, { count }) => sum + count, 0),
    attention: attentionOfGateway(state),
  }
}

/** So that an answer stays the same while nothing happens. */
function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}
