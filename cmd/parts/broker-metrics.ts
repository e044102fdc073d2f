import type { Broker, PartitionBacklog } from '../../internal/broker/broker.ts'
import type { Metrics } from '../../internal/observe/metrics.ts'

/** The metrics of the broker, the same in every role. */
export function addBrokerMetrics(metrics: Metrics, broker: Broker): void {
  const { stats } = broker
  metrics.gauge({
    name: 'sentinel_broker_ready',
    help: '1 while the broker is connected and takes all that it is asked, 0 otherwise.',
    read: () => (broker.health().connected ? 1 : 0),
  })
  metrics.counter({
    name: 'sentinel_broker_reconnects_total',
    help: 'Connections to the broker that were lost and came up again.',
    read: () => stats.reconnects,
  })
  metrics.counter({
    name: 'sentinel_broker_reads_total',
    help: 'Pub/Sub: reads of the connections that bring messages. Messages for each read say how many gather.',
    read: () => stats.reads,
  })
  metrics.counter({
    name: 'sentinel_broker_handler_errors_total',
    help: 'Times that the program failed on a message, which is tried again or becomes a dead letter: each is a bug.',
    read: () => stats.handlerErrors,
  })
  metrics.counter({
    name: 'sentinel_broker_groups_remade_total',
    help: 'Streams: consumer groups that had vanished and were created again.',
    read: () => stats.groupsRemade,
  })
  metrics.counter({
    name: 'sentinel_broker_streams_vanished_total',
    help: 'Streams: times that a stream was another one than before: deleted, evicted, or forgotten by Redis.',
    read: () => stats.streamsVanished,
  })
  metrics.gauge({
    name: 'sentinel_broker_namesake',
    help: 'Streams: 1 while another server reads under the same name (broker.consumer), 0 otherwise.',
    read: () => (broker.hasNamesake === true ? 1 : 0),
  })
  metrics.counter({
    name: 'sentinel_broker_trimmed_messages_total',
    help: 'Streams: messages trimmed before they were acknowledged, and lost with the server that held them.',
    read: () => stats.trimmedUnacked,
  })
  metrics.counter({
    name: 'sentinel_broker_trimmed_unread_messages_total',
    help: 'Streams: messages trimmed before any server had read them. One server counts each.',
    read: () => stats.trimmedUnread,
  })
  metrics.counter({
    name: 'sentinel_broker_claimed_messages_total',
    help: 'Streams: messages claimed from a server that is gone.',
    read: () => stats.claimed,
  })
  metrics.gauge({
    name: 'sentinel_broker_unread_seconds',
    help: 'How long after they were published messages are read.',
    read: () => unreadAgeMs(broker) / 1000,
  })
  metrics.gauge({
    name: 'sentinel_broker_unread_bytes',
    help: 'Pub/Sub: what waits in Redis for this subscriber. Beyond client-output-buffer-limit Redis cuts it off.',
    read: () => broker.unread?.bytes ?? 0,
  })
  metrics.counter({
    name: 'sentinel_broker_held_back_total',
    help: 'Pub/Sub: times that this subscriber stopped to listen because it was behind.',
    read: () => stats.heldBack,
  })
  metrics.counter({
    name: 'sentinel_broker_held_back_seconds_total',
    help: 'Pub/Sub: for how long it did not listen.',
    read: () => stats.heldBackMs / 1000,
  })
  metrics.counter({
    name: 'sentinel_live_dropped_messages_total',
    help: 'Messages of the live feed that were not published because the broker was away or slow.',
    read: () => stats.liveDropped,
  })
  metrics.counter({
    name: 'sentinel_broker_refused_announcements_total',
    help: 'Announcements of generations of fabrics that could not be read, such as those of a later version.',
    read: () => stats.headsRefused,
  })
  const byPartition = (pick: (backlog: PartitionBacklog) => number | undefined) => (): Array<[string, number]> =>
    (broker.backlog ?? []).flatMap((backlog) => {
      const value = pick(backlog)
      return value === undefined ? [] : [[`${backlog.partition}`, value]]
    })
  metrics.gauge({
    name: 'sentinel_broker_lag_messages',
    help: 'Streams: messages that no server of the group has read yet.',
    label: 'partition',
    read: byPartition(({ lag }) => lag),
  })
  metrics.gauge({
    name: 'sentinel_broker_pending_messages',
    help: 'Streams: messages that servers of the group have read and not acknowledged.',
    label: 'partition',
    read: byPartition(({ pending }) => pending),
  })
  metrics.gauge({
    name: 'sentinel_broker_oldest_message_seconds',
    help: 'Streams: age of the oldest message that is not acknowledged, read or not.',
    label: 'partition',
    read: byPartition(({ oldestAgeMs }) => oldestAgeMs / 1000),
  })
}

/** How long after they were published messages are read, ms. Over streams, as of some seconds ago. */
export function unreadAgeMs({ unread, backlog = [] }: Pick<Broker, 'unread' | 'backlog'>): number {
  return unread?.ageMs ?? Math.max(0, ...backlog.map((each) => each.unreadAgeMs))
}
